// What the layer cache takes on the disk, for `system df` and `builder prune`: each snapshot counts once, for the entry that came to it
// first. What images have as well would stay if the cache went.
import type { BuildCacheRecord } from '@berth/api/system';
import type { BuildCache } from '@berth/builder/solver/build-cache';
import { chainIds } from '@berth/oci/digest';
import type { Image } from '../images/image.ts';
import type { ImageSizes } from '../images/image-sizes.ts';

export async function cacheUsage(cache: BuildCache, images: readonly Image[], sizes: ImageSizes): Promise<BuildCacheRecord[]> {
  const inImages = new Set<string>(images.flatMap((image) => chainIds(image.config.rootfs.diff_ids)));
  const counted = new Set<string>();
  const entries = cache
    .entries()
    .sort((one, other) => one.state.layers.length - other.state.layers.length || order(one.created, other.created));
  return Promise.all(
    entries.map(async ({ key, state, created, used, uses }) => {
      const chain = chainIds(state.config.rootfs.diff_ids);
      const step = state.config.history?.at(-1);
      // Its own layer, and a base whose image was removed meanwhile.
      const fresh = chain.filter((id) => !counted.has(id) && (!inImages.has(id) || (id === chain.at(-1) && !step?.empty_layer)));
      for (const id of fresh) counted.add(id);
      return {
        ID: key,
        Type: 'regular',
        Description: step?.created_by ?? '',
        InUse: false,
        Shared: fresh.some((id) => inImages.has(id)),
        Size: await sizes.chain(fresh),
        CreatedAt: created,
        LastUsedAt: used,
        UsageCount: uses,
      };
    }),
  );
}

/** Bytes that would be free without the cache. */
export function reclaimable(usage: readonly BuildCacheRecord[]): number {
  return usage.reduce((sum, { Shared, Size }) => (Shared ? sum : sum + Size), 0);
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
