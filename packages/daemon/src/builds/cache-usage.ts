// What the layer cache takes on the disk, for `system df` and `builder prune`: each snapshot counts once, for the entry that came to it
// first. What images have as well would stay if the cache went.
import type { BuildCacheRecord } from '@berth/api/system';
import type { ImageState } from '@berth/builder/solver/backend';
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

export interface CacheLimits {
  /** What no build came by since this moment, in ms, goes; undefined: however long ago. */
  before?: number | undefined;
  /** Bytes that may stay: of what goes, the latest used. */
  keep: number;
}

/** What may go, the longest unused first. */
export function expendable(usage: readonly BuildCacheRecord[], { before, keep }: CacheLimits): BuildCacheRecord[] {
  const used = ({ LastUsedAt, CreatedAt }: BuildCacheRecord) => Date.parse(LastUsedAt ?? CreatedAt);
  const old = usage.filter((one) => before === undefined || used(one) < before).sort((one, other) => used(one) - used(other));
  if (keep === 0) return old;
  let left = reclaimable(usage);
  return old.filter((one) => {
    if (left <= keep) return false;
    left -= one.Shared ? 0 : one.Size;
    return true;
  });
}

/** The blobs and snapshots that a state stands on. */
export function layersOf({ config, layers }: ImageState): { digest: string; chainId: string }[] {
  return chainIds(config.rootfs.diff_ids).map((chainId, at) => ({ digest: layers[at]?.digest ?? '', chainId }));
}

/** Bytes that would be free without them. */
export function reclaimable(usage: readonly BuildCacheRecord[]): number {
  return usage.reduce((sum, { Shared, Size }) => (Shared ? sum : sum + Size), 0);
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
