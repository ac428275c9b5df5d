// Making images in the lifecycle service: layers from archives or from what a container changed, then configuration, manifest and
// names. Used by import, load, commit and builds, always under a lease (ImageServices.withLease).
import { randomUUID } from 'node:crypto';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { UNCOMPRESSED } from '@berth/lifecycle/content/blob-labels';
import { configLabels, manifestLabels } from '@berth/lifecycle/transfer/references';
import { chainIds, type Digest } from '@berth/oci/digest';
import { type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPE, parseImageConfig } from '@berth/oci/image-spec';
import { diffMetadata } from '@berth/rpc/diff-terms';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import type { ImageServices } from './image-services.ts';

export interface Layer {
  /** The archive in the content store. */
  descriptor: Descriptor;
  diffId: Digest;
  /** The snapshot that holds the files of this layer and all below. */
  chainId: Digest;
}

/** Stores an archive as the layer above `parent` ('' for the lowest) and unpacks it. Plain, gzip and zstd are told by their first bytes. */
export async function addArchiveLayer(
  services: ImageServices,
  lease: string,
  parent: string,
  archive: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Layer> {
  const { mediaType, rest } = await sniffLayer(archive);
  const written = await services.write(rest, { lease, ...(signal ? { signal } : {}) });
  const descriptor = { mediaType, ...written };
  return { descriptor, ...(await applyLayer(services, lease, parent, descriptor, signal)) };
}

/** Unpacks an archive of the content store above `parent`, unless the snapshot that `expected` promises is there. */
export async function unpackLayer(
  services: ImageServices,
  lease: string,
  parent: string,
  descriptor: Descriptor,
  expected: Digest,
): Promise<{ diffId: Digest; existed: boolean }> {
  if (await keepSnapshot(services, lease, chainIdOf(parent, expected))) return { diffId: expected, existed: true };
  const { diffId } = await applyLayer(services, lease, parent, descriptor);
  return { diffId, existed: false };
}

async function applyLayer(
  services: ImageServices,
  lease: string,
  parent: string,
  diff: Descriptor,
  signal?: AbortSignal,
): Promise<Pick<Layer, 'diffId' | 'chainId'>> {
  const key = `import-${randomUUID()}`;
  const { mounts } = await services.snapshots.prepare({ snapshotter: services.snapshotter, key, parent }, { lease });
  try {
    const message = { ...diff, annotations: diff.annotations ?? {} };
    const { applied } = await services.diff.apply({ diff: message, mounts }, { lease, ...(signal ? { signal } : {}) });
    const diffId = applied?.digest as Digest;
    return { diffId, chainId: await commitSnapshot(services, lease, key, parent, diffId) };
  } catch (error) {
    await services.snapshots.remove({ snapshotter: services.snapshotter, key }).catch(() => {});
    throw error;
  }
}

/**
 * Packs what the active snapshot `key` changed over `parent` into a layer and commits the snapshot under its chain id: `key` is
 * gone afterwards. For a snapshot that must live on (a container's) use `packLayer`.
 */
export async function commitLayer(services: ImageServices, lease: string, key: string, parent: string): Promise<Layer> {
  const { descriptor, diffId } = await packLayer(services, lease, key, parent);
  return { descriptor, diffId, chainId: await commitSnapshot(services, lease, key, parent, diffId) };
}

/** From two snapshots' mounts to a layer in the content store. */
export type Compare = (left: Mount[], right: Mount[]) => Promise<Pick<Layer, 'descriptor' | 'diffId'>>;

/** The layer that turns `parent` into the active snapshot `key`, as an archive in the content store. */
export async function packLayer(
  services: ImageServices,
  lease: string,
  key: string,
  parent: string,
  compare: Compare = compareByService(services, lease),
): Promise<Pick<Layer, 'descriptor' | 'diffId'>> {
  const { snapshotter } = services;
  const { mounts: right } = await services.snapshots.mounts({ snapshotter, key });
  const view = `compare-${randomUUID()}`;
  const { mounts: left } = parent === '' ? { mounts: [] } : await services.snapshots.view({ snapshotter, key: view, parent }, { lease });
  try {
    return await compare(left, right);
  } finally {
    if (parent !== '') await services.snapshots.remove({ snapshotter, key: view }).catch(() => {});
  }
}

/** By the lifecycle service; Berth's leaves out what is empty at `mountPoints`. */
export function compareByService(services: ImageServices, lease: string, mountPoints: readonly string[] = []): Compare {
  return async (left, right) => {
    const request = { left, right, mediaType: MEDIA_TYPE.ociLayerGzip };
    const { diff } = await services.diff.diff(request, { lease, metadata: diffMetadata(mountPoints) });
    if (!diff) throw new EngineError('Internal', 'comparing two snapshots gave no layer', { layer: 'lifecycle' });
    const { info } = await services.content.info({ digest: diff.digest });
    const diffId = info?.labels[UNCOMPRESSED] as Digest;
    return { descriptor: { mediaType: MEDIA_TYPE.dockerLayerGzip, digest: diff.digest as Digest, size: diff.size }, diffId };
  };
}

/** Stores configuration and manifest and gives the image its names; without names it is kept as a dangling one. The image's id and its manifest. */
export async function saveImage(
  services: ImageServices,
  lease: string,
  image: { config: ImageConfig | Buffer; layers: readonly Descriptor[]; names?: readonly string[]; labels?: Record<string, string> },
): Promise<{ id: Digest; manifest: Descriptor }> {
  // A configuration that came as bytes keeps them: they are the image's id.
  const configBytes = Buffer.isBuffer(image.config) ? image.config : Buffer.from(JSON.stringify(image.config));
  const id = await services.put(configBytes, { lease, labels: configLabels(parseImageConfig(configBytes), services.snapshotter) });
  const document: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.dockerManifest,
    config: { mediaType: MEDIA_TYPE.dockerConfig, digest: id, size: configBytes.length },
    layers: image.layers.map(dockerLayer),
  };
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = await services.put(bytes, { lease, labels: manifestLabels(document) });
  const manifest = { mediaType: MEDIA_TYPE.dockerManifest, digest, size: bytes.length };
  const names = image.names?.length ? image.names : [danglingName(digest)];
  for (const name of names) await putName(services, name, manifest, image.labels);
  return { id, manifest };
}

/** Gives `target` a name, taking it from whatever had it. */
export async function putName(
  services: ImageServices,
  name: string,
  target: Descriptor,
  labels: Record<string, string> = {},
): Promise<void> {
  const image = { name, labels, target: { ...target, annotations: target.annotations ?? {} } };
  try {
    await services.images.create({ image });
  } catch (error) {
    if (!isKind(error, 'AlreadyExists')) throw error;
    await services.images.update({ image, updateMask: { paths: ['target', 'labels'] } });
  }
}

/** The record that keeps an image without a name; moby's own form. */
export function danglingName(manifest: string): string {
  return `moby-dangling@${manifest}`;
}

export function isDanglingName(name: string): boolean {
  return name.startsWith('moby-dangling@');
}

async function commitSnapshot(services: ImageServices, lease: string, key: string, parent: string, diffId: Digest): Promise<Digest> {
  const { snapshotter } = services;
  const chainId = chainIdOf(parent, diffId);
  try {
    await services.snapshots.commit({ snapshotter, name: chainId, key }, { lease });
  } catch (error) {
    if (!isKind(error, 'AlreadyExists')) throw error;
    // The same layer on the same parent is there already.
    await services.snapshots.remove({ snapshotter, key });
    await keepSnapshot(services, lease, chainId);
  }
  return chainId;
}

/** Puts a snapshot under the lease; false when there is none. */
export async function keepSnapshot({ snapshots, leases, snapshotter }: ImageServices, lease: string, key: string): Promise<boolean> {
  try {
    await snapshots.stat({ snapshotter, key });
  } catch (error) {
    if (isKind(error, 'NotFound')) return false;
    throw error;
  }
  await leases.addResource({ id: lease, resource: { id: key, type: `snapshots/${snapshotter}` } });
  return true;
}

function chainIdOf(parent: string, diffId: Digest): Digest {
  return parent === '' ? diffId : (chainIds([parent, diffId])[1] as Digest);
}

/** A Docker manifest names Docker's layer types, which is what every registry and engine takes; zstd has none there. */
function dockerLayer(layer: Descriptor): Descriptor {
  const mediaType =
    layer.mediaType === MEDIA_TYPE.ociLayerGzip
      ? MEDIA_TYPE.dockerLayerGzip
      : layer.mediaType === MEDIA_TYPE.ociLayer
        ? MEDIA_TYPE.dockerLayer
        : layer.mediaType;
  return { mediaType, digest: layer.digest, size: layer.size };
}

/** An archive's media type by its magic number, and the archive whole again. */
export async function sniffLayer(archive: AsyncIterable<Uint8Array>): Promise<{ mediaType: string; rest: AsyncIterable<Uint8Array> }> {
  const iterator = archive[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let head = Buffer.alloc(0);
  while (head.length < 6) {
    const next = await iterator.next();
    if (next.done) break;
    held.push(next.value);
    head = Buffer.concat(held).subarray(0, 6);
  }
  const rest = (async function* () {
    yield* held;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  return { mediaType: layerTypeOf(head), rest };
}

/** A layer's media type by its first bytes; InvalidArgument for a compression that is not read. */
export function layerTypeOf(head: Buffer): string {
  const starts = (hex: string) => head.subarray(0, hex.length / 2).toString('hex') === hex;
  if (starts('1f8b')) return MEDIA_TYPE.dockerLayerGzip;
  if (starts('28b52ffd')) return MEDIA_TYPE.ociLayerZstd;
  for (const [magic, name] of [
    ['425a68', 'bzip2'],
    ['fd377a585a00', 'xz'],
  ] as const) {
    if (starts(magic))
      throw new EngineError('InvalidArgument', `the archive is compressed with ${name}: give it plain, or compressed with gzip or zstd`, {
        layer: 'daemon',
      });
  }
  return MEDIA_TYPE.dockerLayer;
}
