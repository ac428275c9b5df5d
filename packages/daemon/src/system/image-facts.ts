// What `/info` and `/system/df` want to know of the images and of the builds' cache.
import { Filters } from '@berth/api/filters';
import type { Builds } from '../builds/build-image.ts';
import type { ImageContext } from '../images/image-context.ts';
import { listImages } from '../images/list-images.ts';
import type { ImageFacts } from './system-info.ts';

export function imageFacts(images: ImageContext, builds: Builds): ImageFacts {
  return {
    count: () => images.catalog.all().length,
    summaries: () => listImages(images, { filters: new Filters(), sharedSize: true }),
    layersSize: () => images.sizes.together(images.catalog.all()),
    buildCache: () => builds.usage(),
  };
}
