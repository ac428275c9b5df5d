// Images made by a test and put into its registry through the engine's own client: either media-type family, any compression.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Digest, digestOf } from '@berth/oci/digest';
import { type Descriptor, type ExecutionConfig, type ImageConfig, MEDIA_TYPE } from '@berth/oci/image-spec';
import { hostPlatform, type Platform } from '@berth/oci/platform';
import { parseReference } from '@berth/oci/reference';
import { anonymous } from '@berth/oci/registry/credentials';
import { ConfiguredHosts } from '@berth/oci/registry/host';
import { Repository } from '@berth/oci/registry/repository';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { type TarEntry, tar } from '../harness/tar-archive.ts';

export interface TestImage {
  family: 'docker' | 'oci';
  layers: readonly (readonly TarEntry[])[];
  compression?: 'gzip' | 'zstd' | 'none';
  platform?: Platform;
  config?: ExecutionConfig;
  /** What the configuration claims instead of the truth. */
  diffIds?: Digest[];
}

export interface StoredImage {
  manifest: Descriptor;
  config: Descriptor;
  layers: Descriptor[];
  imageConfig: ImageConfig;
}

/** Puts `image` under `reference` (host/name:tag); without a tag only under its digest. */
export function storeImage(reference: string, image: TestImage): Promise<StoredImage> {
  return storeArchives(reference, image, image.layers.map(tar));
}

/** As above, with layers that are archives already. */
export async function storeArchives(reference: string, image: TestImage, archives: readonly Buffer[]): Promise<StoredImage> {
  using repository = await openRepository(reference);
  const layers: Descriptor[] = [];
  const diffIds: Digest[] = [];
  for (const archive of archives) {
    diffIds.push(digestOf(archive));
    layers.push(await storeBlob(repository, packed(archive, image.compression ?? 'gzip'), layerType(image)));
  }
  const imageConfig: ImageConfig = {
    created: '2026-01-02T03:04:05Z',
    ...(image.platform ?? hostPlatform()),
    config: { Env: ['PATH=/bin'], Cmd: ['true'], ...image.config },
    rootfs: { type: 'layers', diff_ids: image.diffIds ?? diffIds },
    history: diffIds.map((_, index) => ({ created: '2026-01-02T03:04:05Z', created_by: `layer ${index}` })),
  };
  const configType = image.family === 'oci' ? MEDIA_TYPE.ociConfig : MEDIA_TYPE.dockerConfig;
  const config = await storeBlob(repository, Buffer.from(JSON.stringify(imageConfig)), configType);
  const mediaType = image.family === 'oci' ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.dockerManifest;
  const manifest = await storeManifest(repository, reference, mediaType, { schemaVersion: 2, mediaType, config, layers });
  return { manifest, config, layers, imageConfig };
}

export async function storeIndex(reference: string, family: 'docker' | 'oci', manifests: readonly Descriptor[]): Promise<Descriptor> {
  using repository = await openRepository(reference);
  const mediaType = family === 'oci' ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerIndex;
  return storeManifest(repository, reference, mediaType, { schemaVersion: 2, mediaType, manifests });
}

export function openRepository(reference: string): Promise<Repository> {
  return Repository.open({ reference: parseReference(reference), hosts: new ConfiguredHosts(), credentials: anonymous });
}

async function storeBlob(repository: Repository, bytes: Buffer, mediaType: string): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await uploadBlob(repository.upstream, descriptor, async function* (offset) {
    yield bytes.subarray(offset);
  });
  return descriptor;
}

async function storeManifest(repository: Repository, reference: string, mediaType: string, document: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = digestOf(bytes);
  await putManifest(repository.upstream, parseReference(reference).tag ?? digest, { mediaType, bytes });
  return { mediaType, digest, size: bytes.length };
}

function packed(archive: Buffer, compression: 'gzip' | 'zstd' | 'none'): Buffer {
  return compression === 'gzip' ? gzipSync(archive) : compression === 'zstd' ? zstdCompressSync(archive) : archive;
}

function layerType(image: TestImage): string {
  if (image.family === 'docker') return image.compression === 'none' ? MEDIA_TYPE.dockerLayer : MEDIA_TYPE.dockerLayerGzip;
  return { gzip: MEDIA_TYPE.ociLayerGzip, zstd: MEDIA_TYPE.ociLayerZstd, none: MEDIA_TYPE.ociLayer }[image.compression ?? 'gzip'];
}
