// Importing: from an archive into the content store, the snapshots and, last of all, the image store, as a pull does from a registry.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import {
  type Descriptor,
  type ImageConfig,
  isConfigType,
  isLayerType,
  type Manifest,
  MEDIA_TYPE,
  parseImageConfig,
  parseManifestDocument,
} from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import type { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { mergeLabels } from '../content/blob-labels.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { indexOfDockerArchive } from './docker-archive.ts';
import { entryNames, wholeNames } from './image-names.ts';
import { chosenManifests, type Unpacking, unpackingsOf } from './image-platforms.ts';
import type { ProgressSink } from './progress.ts';
import { configLabels, indexLabels, manifestLabels } from './references.ts';
import type { TransferStorage } from './storage.ts';

export interface ImportOptions {
  storage: TransferStorage;
  archive: AsyncIterable<Buffer>;
  /** Gzips the layers of Docker's archives. */
  compress: boolean;
  /** Names and labels of what is imported. */
  store: Pick<ImageStore, 'name' | 'labels' | 'extraReferences'>;
  /** Of an index, the manifests of these; all when empty. */
  platforms: readonly Platform[];
  unpack: readonly Unpacking[];
  progress: ProgressSink;
  signal: AbortSignal;
}

export async function importImages(options: ImportOptions): Promise<void> {
  const { storage, archive, compress, store, progress, signal } = options;
  const { content, images } = storage;
  progress({ event: 'Importing' });
  const blobs = await ArchiveBlobs.read(content, archive, signal);
  const root = await rootOf(storage, blobs, compress);
  const document = parseManifestDocument(await content.read(root.digest), root.mediaType);
  if (document.kind !== 'index')
    throw new EngineError('InvalidArgument', 'the index.json of the archive is no index', { layer: 'lifecycle' });
  // Of the archive's own index every entry is an image of its own, whatever its platform.
  const entries = document.index.manifests.filter(({ digest }) => content.has(digest));
  if (entries.length === 0) throw new EngineError('InvalidArgument', 'the archive holds no image', { layer: 'lifecycle' });
  for (const entry of entries) await complete(options, entry);
  mergeLabels(content, root.digest, indexLabels(document.index, entries));
  const named = [
    ...wholeNames(store, root).map((name) => ({ name, target: root })),
    ...entries.flatMap((entry) => entryNames(store, entry).map((name) => ({ name, target: entry }))),
  ];
  for (const { name, target } of named) {
    images.put({ name, target, labels: store.labels });
    progress({ event: 'saved', name, descriptor: target });
  }
  progress({ event: 'Completed import' });
}

async function rootOf({ content }: TransferStorage, blobs: ArchiveBlobs, compress: boolean): Promise<Descriptor> {
  const index = blobs.find('oci-layout') && blobs.find('index.json');
  if (index) return { mediaType: MEDIA_TYPE.ociIndex, ...index };
  if (blobs.find('manifest.json')) return indexOfDockerArchive(content, blobs, { compress });
  throw new EngineError('InvalidArgument', 'unrecognized image format: the archive has neither an OCI layout nor a manifest.json', {
    layer: 'lifecycle',
  });
}

/** Labels what a descriptor refers to, for the garbage collector, and unpacks it. NotFound when a part of it is missing. */
async function complete(options: ImportOptions, descriptor: Descriptor): Promise<void> {
  const { storage, platforms } = options;
  const document = parseManifestDocument(await storage.content.read(descriptor.digest), descriptor.mediaType);
  if (document.kind === 'manifest') return completeManifest(options, descriptor, document.manifest);
  // Archives often have an index whole, and only some of its manifests.
  const present = document.index.manifests.filter(({ digest }) => storage.content.has(digest));
  const chosen = chosenManifests({ manifests: present }, platforms, descriptor.digest);
  for (const child of chosen) await complete(options, child);
  mergeLabels(storage.content, descriptor.digest, indexLabels(document.index, chosen));
}

async function completeManifest({ storage, unpack, signal }: ImportOptions, { digest }: Descriptor, manifest: Manifest): Promise<void> {
  const { content, namespace } = storage;
  for (const part of [manifest.config, ...manifest.layers]) content.info(part.digest);
  mergeLabels(content, digest, manifestLabels(manifest));
  if (!isConfigType(manifest.config.mediaType)) return;
  const config = parseImageConfig(await content.read(manifest.config.digest));
  for (const { snapshotter: name } of unpackingsOf(config, unpack)) {
    const snapshotter = storage.snapshotter(name);
    await storage.unpacker.unpack({ namespace, content, snapshotter }, layersOf(manifest, config), { signal });
    mergeLabels(content, manifest.config.digest, configLabels(config, snapshotter.name));
  }
}

function layersOf(manifest: Manifest, config: ImageConfig) {
  const layers = manifest.layers.filter(({ mediaType }) => isLayerType(mediaType));
  if (layers.length === config.rootfs.diff_ids.length)
    return layers.map((descriptor, position) => ({ descriptor, diffId: config.rootfs.diff_ids[position] as Digest }));
  throw new EngineError(
    'InvalidArgument',
    `manifest has ${layers.length} layers, but its configuration names ${config.rootfs.diff_ids.length}`,
    { layer: 'lifecycle' },
  );
}
