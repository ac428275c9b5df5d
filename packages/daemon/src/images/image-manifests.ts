// What an image's name stands for: one manifest, or an index of several, of which as many are here as were pulled. Told by
// `manifests=1` of the list and of inspect (API 1.47), and asked before a push.
import type { ImageManifestSummary } from '@berth/api/image';
import { isKind } from '@berth/errdefs/engine-error';
import { chainIds, type Digest } from '@berth/oci/digest';
import { attests, type Descriptor, isIndexType, parseImageConfig, parseManifestDocument } from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import type { ImageContext } from './image-context.ts';
import type { ImageServices } from './image-services.ts';

export interface ManifestPart {
  readonly descriptor: Descriptor;
  /** The manifest, its configuration and all of its layers are here. */
  readonly available: boolean;
  /** Configuration and layers; empty when the manifest itself is not here. */
  readonly blobs: readonly Descriptor[];
}

/** The manifests behind a name's target, those of nested indexes included. */
export async function manifestParts(services: ImageServices, target: Descriptor): Promise<ManifestPart[]> {
  const bytes = await readIfThere(services, target.digest);
  if (bytes === undefined) return [{ descriptor: target, available: false, blobs: [] }];
  const document = parseManifestDocument(bytes, target.mediaType);
  if (document.kind === 'index') return (await Promise.all(document.index.manifests.map((entry) => manifestParts(services, entry)))).flat();
  const blobs = [document.manifest.config, ...document.manifest.layers];
  const present = await Promise.all(blobs.map(({ digest }) => isThere(services, digest)));
  return [{ descriptor: target, available: present.every(Boolean), blobs }];
}

export async function manifestSummaries(context: ImageContext, target: Descriptor): Promise<ImageManifestSummary[]> {
  const parts = await manifestParts(context.services, target);
  return Promise.all(parts.map((part) => summaryOf(context, part)));
}

async function summaryOf(context: ImageContext, { descriptor, available, blobs }: ManifestPart): Promise<ImageManifestSummary> {
  const about = attests(descriptor);
  const content = blobs.length === 0 ? 0 : [descriptor, ...blobs].reduce((sum, { size }) => sum + size, 0);
  const common = { ID: descriptor.digest, Descriptor: descriptor, Available: available };
  if (about !== undefined) {
    return { ...common, Kind: 'attestation', Size: { Content: content, Total: content }, AttestationData: { For: about } };
  }
  const [config] = blobs;
  const bytes = config && !isIndexType(descriptor.mediaType) ? await readIfThere(context.services, config.digest) : undefined;
  if (config === undefined || bytes === undefined) {
    const { platform } = descriptor;
    const image = platform ? ({ Kind: 'image', ImageData: imageData(platform, [], 0) } as const) : ({ Kind: 'unknown' } as const);
    return { ...common, ...image, Size: { Content: content, Total: content } };
  }
  const { os, architecture, variant, rootfs } = parseImageConfig(bytes);
  const unpacked = await context.sizes.chain(chainIds(rootfs.diff_ids));
  const containers = context.users.usesOf(config.digest).map(({ containerId }) => containerId);
  const platform = descriptor.platform ?? { os, architecture, ...(variant === undefined ? {} : { variant }) };
  return {
    ...common,
    Kind: 'image',
    Size: { Content: content, Total: content + unpacked },
    ImageData: imageData(platform, containers, unpacked),
  };
}

function imageData(Platform: Platform, Containers: string[], Unpacked: number): NonNullable<ImageManifestSummary['ImageData']> {
  return { Platform, Containers, Size: { Unpacked } };
}

async function readIfThere(services: ImageServices, digest: Digest): Promise<Buffer | undefined> {
  try {
    return await services.read(digest);
  } catch (error) {
    if (isKind(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function isThere(services: ImageServices, digest: Digest): Promise<boolean> {
  try {
    await services.content.info({ digest });
    return true;
  } catch (error) {
    if (isKind(error, 'NotFound')) return false;
    throw error;
  }
}
