// Which parts of an image a transfer is about: the manifests of an index for the platforms asked for, and what is unpacked of them.
import { EngineError } from '@berth/errdefs/engine-error';
import { type Descriptor, type ImageConfig, type Index, isIndexType } from '@berth/oci/image-spec';
import { bestMatch, formatPlatform, type Platform, rank } from '@berth/oci/platform';

export interface Unpacking {
  platform: Platform;
  /** '' for the default. */
  snapshotter: string;
}

/** One manifest for each platform, or every one. Attestations and other artifacts have no platform that runs. `name` is the image's. */
export function chosenManifests(index: Pick<Index, 'manifests'>, platforms: readonly Platform[], name: string): Descriptor[] {
  const candidates = index.manifests.filter((entry) => isIndexType(entry.mediaType) || entry.platform?.os !== 'unknown');
  if (platforms.length === 0) return candidates;
  return [
    ...new Set(
      platforms.map((platform) => {
        const match = bestMatch(platform, candidates) ?? candidates.find((entry) => entry.platform === undefined);
        if (match) return match;
        throw new EngineError('NotFound', `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, {
          layer: 'lifecycle',
          details: { image: name, offered: candidates.map((entry) => entry.platform && formatPlatform(entry.platform)) },
        });
      }),
    ),
  ];
}

/** Those that an image of this configuration is unpacked for. */
export function unpackingsOf(config: ImageConfig, wanted: readonly Unpacking[]): Unpacking[] {
  const own = { os: config.os, architecture: config.architecture, ...(config.variant ? { variant: config.variant } : {}) };
  return wanted.filter(({ platform }) => rank(platform, own) !== undefined);
}
