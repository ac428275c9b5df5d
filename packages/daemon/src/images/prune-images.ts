// POST /images/prune: removes images that no container stands on: those without a tag, or with dangling=false all of them.
import type { Filters } from '@berth/api/filters';
import { Filters as FilterSet } from '@berth/api/filters';
import type { ImageDeleteItem, ImagesPruneResponse } from '@berth/api/image';
import { isKind } from '@berth/errdefs/engine-error';
import type { Image } from './image.ts';
import type { ImageContext } from './image-context.ts';
import { selectImages } from './list-images.ts';
import { removeImage } from './remove-image.ts';

export const PRUNE_FILTERS = ['dangling', 'label', 'label!', 'until'] as const;

export async function pruneImages(context: ImageContext, filters: Filters): Promise<ImagesPruneResponse> {
  const danglingOnly = filters.boolean('dangling') ?? true;
  const others = new FilterSet(new Map((['label', 'label!', 'until'] as const).map((key) => [key, filters.get(key)])));
  const removed: ImageDeleteItem[] = [];
  let reclaimed = 0;
  for (const image of selectImages(context, others)) {
    if (danglingOnly && image.repoTags.length > 0) continue;
    if (context.users.usesOf(image.id).length > 0) continue;
    const unique = await context.sizes.unique(image, context.catalog.all());
    const items = await removeWholly(context, image);
    if (items.some((item) => 'Deleted' in item)) reclaimed += unique;
    removed.push(...items);
  }
  context.events.emit('image', 'prune', '', { reclaimed: String(reclaimed) });
  return { ImagesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: reclaimed };
}

/** Name by name, so that an image that is taken into use meanwhile keeps what it still has. */
async function removeWholly(context: ImageContext, image: Image): Promise<ImageDeleteItem[]> {
  const removed: ImageDeleteItem[] = [];
  const names = [...image.repoTags, ...image.repoDigests];
  for (const name of names.length > 0 ? names : [image.id]) {
    try {
      // Removing the last tag takes the digests of its repository along.
      if (context.catalog.find(name)) removed.push(...(await removeImage(context, name, { force: false })));
    } catch (error) {
      if (!isKind(error, 'Conflict')) throw error;
    }
  }
  return removed;
}
