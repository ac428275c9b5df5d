// What `/info` and `/system/df` want to know of the images.
import { Filters } from '@berth/api/filters';
import type { ImageContext } from '../images/image-context.ts';
import { listImages } from '../images/list-images.ts';
import type { ImageFacts } from './system-info.ts';

export function imageFacts(images: ImageContext): ImageFacts {
  return {
    count: () => images.catalog.all().length,
    summaries: () => listImages(images, { filters: new Filters(), sharedSize: true }),
    layersSize: () => images.sizes.together(images.catalog.all()),
  };
}
