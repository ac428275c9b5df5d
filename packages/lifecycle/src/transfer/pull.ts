// Pulling: from a registry into the content store, the snapshots and, last of all, the image store. The name appears only when
// everything that it stands for is there; until then a lease of the caller's keeps what came so far.
// Layers are downloaded side by side and unpacked as they come.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { type Digest, shortDigest } from '@berth/oci/digest';
import {
  attests,
  type Descriptor,
  type ImageConfig,
  type Index,
  isConfigType,
  isLayerType,
  type Manifest,
  parseImageConfig,
  parseManifestDocument,
} from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import { canonical, type Reference } from '@berth/oci/reference';
import { Rate } from '@berth/oci/registry/rate';
import type { Repository } from '@berth/oci/registry/repository';
import type { Span } from '@berth/trace/tracer';
import { mergeLabels } from '../content/blob-labels.ts';
import type { LayerToUnpack } from '../diff/unpacker.ts';
import type { Labels } from '../metadata/labels.ts';
import type { Downloads } from './download.ts';
import { chosenManifests, type Unpacking, unpackingsOf } from './image-platforms.ts';
import { Limit } from './limit.ts';
import { ObjectProgress, type ProgressSink } from './progress.ts';
import { configLabels, indexLabels, manifestLabels, sourceKey, sourceLabel } from './references.ts';
import type { TransferStorage } from './storage.ts';

export interface PullOptions {
  storage: TransferStorage;
  downloads: Downloads;
  repository: Repository;
  reference: Reference;
  /** The image's name in the store. */
  name: string;
  labels?: Labels;
  /** Of an index, the manifests of these; all when empty. */
  platforms: readonly Platform[];
  unpack: readonly Unpacking[];
  progress: ProgressSink;
  /** Gets a child for each step that takes time. */
  span?: Span | undefined;
  /** Layers downloaded at a time. */
  parallel?: number | undefined;
  rate?: Rate;
  signal: AbortSignal;
}

/** A layer on its way. */
interface LayerWork {
  readonly layer: Descriptor;
  readonly reports: ObjectProgress;
  /** Whether the blob was here before. */
  readonly present: boolean;
  fetched: Promise<unknown>;
}

const PARALLEL_DOWNLOADS = 5;

/** The descriptor that the name now stands for. */
export async function pull(options: PullOptions): Promise<Descriptor> {
  // The first failure stops the other downloads and unpackings before the error leaves.
  const controller = new AbortController();
  const signal = AbortSignal.any([options.signal, controller.signal]);
  const work = new Pull({ ...options, signal });
  try {
    return await work.run();
  } catch (error) {
    controller.abort(error);
    await work.settled();
    throw error;
  }
}

class Pull {
  readonly #options: PullOptions;
  readonly #limit: Limit;
  readonly #rate: Rate;
  readonly #pending: Promise<unknown>[] = [];

  constructor(options: PullOptions) {
    this.#options = options;
    this.#limit = new Limit(options.parallel ?? PARALLEL_DOWNLOADS);
    this.#rate = options.rate ?? new Rate();
  }

  async run(): Promise<Descriptor> {
    const { storage, repository, reference, progress, signal } = this.#options;
    progress({ event: `Resolving from ${canonical(reference)}` });
    const root = await this.#timed('resolve', () => repository.manifest(reference.digest ?? reference.tag ?? 'latest', { signal }));
    progress({ event: 'fetching image content' });
    await this.#document(root.descriptor, root.bytes, []);
    storage.images.put({ name: this.#options.name, target: root.descriptor, labels: this.#options.labels ?? {} });
    progress({ event: 'saved', name: this.#options.name, descriptor: root.descriptor });
    progress({ event: `Completed pull from ${canonical(reference)}` });
    return root.descriptor;
  }

  /** Resolves when nothing that this pull started goes on any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  async #document(descriptor: Descriptor, bytes: Buffer, parents: readonly Descriptor[]): Promise<void> {
    const reports = new ObjectProgress(this.#options.progress, descriptor, parents);
    const document = parseManifestDocument(bytes, descriptor.mediaType);
    // Stored before what it refers to, so that the ingest of a large index is not lost when a layer fails; labelled after.
    await this.#put(bytes);
    reports.step('complete', bytes.length);
    if (document.kind === 'index') await this.#index(descriptor, document.index, parents);
    else await this.#manifest(descriptor, document.manifest, parents);
  }

  async #index(descriptor: Descriptor, index: Index, parents: readonly Descriptor[]): Promise<void> {
    const wanted = chosenManifests(index, this.#options.platforms, canonical(this.#options.reference));
    for (const child of wanted) {
      await this.#document(child, await this.#child(child), [...parents, descriptor]);
    }
    this.#label(descriptor.digest, indexLabels(index, [...wanted, ...(await this.#attestations(index, wanted, parents))]));
  }

  /** What speaks of the chosen images (provenance, bills of materials) comes along; where the registry lacks it, the image is as good. */
  async #attestations(index: Index, wanted: readonly Descriptor[], parents: readonly Descriptor[]): Promise<Descriptor[]> {
    const about = index.manifests.filter((entry) => wanted.some(({ digest }) => attests(entry) === digest));
    const fetched: Descriptor[] = [];
    for (const entry of about) {
      try {
        await this.#document(entry, await this.#child(entry), parents);
        fetched.push(entry);
      } catch (error) {
        if (!isKind(error, 'NotFound')) throw error;
      }
    }
    return fetched;
  }

  async #child({ digest, size }: Descriptor): Promise<Buffer> {
    const { storage, repository, signal } = this.#options;
    if (storage.content.keep(digest)) return storage.content.read(digest);
    const { bytes } = await repository.manifest(digest, { signal });
    if (bytes.length === size) return bytes;
    throw new EngineError('DataLoss', `manifest verification failed for digest ${digest}: ${bytes.length} bytes instead of ${size}`, {
      layer: 'registry',
    });
  }

  async #manifest(descriptor: Descriptor, manifest: Manifest, parents: readonly Descriptor[]): Promise<void> {
    const { content } = this.#options.storage;
    const path = [...parents, descriptor];
    const layers = manifest.layers.map((layer): LayerWork => {
      const reports = new ObjectProgress(this.#options.progress, layer, path);
      return { layer, reports, present: content.has(layer.digest), fetched: Promise.resolve() };
    });
    for (const { present, reports } of layers) if (!present) reports.step('waiting');
    const config = await this.#config(manifest, new ObjectProgress(this.#options.progress, manifest.config, path));
    const unpackings = config === undefined || config.rootfs.diff_ids.length === 0 ? [] : unpackingsOf(config, this.#options.unpack);
    for (const work of layers) {
      const fetched = this.#limit.run(() => this.#blob(work.layer, work.reports));
      work.fetched = this.#start(fetched);
      // A present layer that is unpacked says so then.
      if (work.present && unpackings.length === 0) work.reports.step('already exists', work.layer.size);
    }
    const unpacked = unpackings.map((unpacking) => this.#start(this.#unpack(unpacking, config as ImageConfig, layers)));
    await Promise.all([...layers.map((work) => work.fetched), ...unpacked]);
    this.#label(descriptor.digest, manifestLabels(manifest));
    if (config !== undefined) {
      for (const { snapshotter } of unpackings) {
        this.#label(manifest.config.digest, configLabels(config, this.#options.storage.snapshotter(snapshotter).name));
      }
    }
  }

  /** Undefined for an artifact, whose configuration is not an image's. */
  async #config(manifest: Manifest, reports: ObjectProgress): Promise<ImageConfig | undefined> {
    await this.#blob(manifest.config, reports);
    if (!isConfigType(manifest.config.mediaType)) return undefined;
    const config = parseImageConfig(await this.#options.storage.content.read(manifest.config.digest));
    // An attestation's configuration names documents where an image's names layers.
    if (config.os === 'unknown') return undefined;
    const layers = manifest.layers.filter((layer) => isLayerType(layer.mediaType));
    if (layers.length !== config.rootfs.diff_ids.length) {
      throw new EngineError(
        'InvalidArgument',
        `manifest has ${layers.length} layers, but its configuration names ${config.rootfs.diff_ids.length}`,
        { layer: 'lifecycle' },
      );
    }
    return config;
  }

  async #unpack(unpacking: Unpacking, config: ImageConfig, layers: readonly LayerWork[]): Promise<void> {
    const { storage, signal } = this.#options;
    const snapshotter = storage.snapshotter(unpacking.snapshotter);
    const { namespace, content } = storage;
    const archives = layers.filter(({ layer }) => isLayerType(layer.mediaType));
    const work = archives.map(
      ({ layer, reports, present, fetched }, position): LayerToUnpack => ({
        descriptor: layer,
        diffId: config.rootfs.diff_ids[position] as Digest,
        ready: fetched,
        onProgress: (consumed) => reports.bytes('extracting', consumed),
        onDone: (existed) => reports.step(existed && present ? 'already exists' : 'extracted', layer.size),
      }),
    );
    await this.#timed('unpack', () => storage.unpacker.unpack({ namespace, content, snapshotter }, work, { signal }));
  }

  async #blob(descriptor: Descriptor, reports: ObjectProgress): Promise<void> {
    const { storage, repository, downloads, signal } = this.#options;
    const { namespace, content } = storage;
    const onProgress = (received: number) => reports.bytes('downloading', received);
    const request = { namespace, content, repository, descriptor, onProgress, rate: this.#rate, signal };
    const outcome = await this.#timed(`fetch ${shortDigest(descriptor.digest)}`, () => downloads.fetch(request));
    this.#label(descriptor.digest, this.#source(descriptor.digest));
    if (outcome === 'fetched') reports.step('complete', descriptor.size);
  }

  async #put(bytes: Buffer): Promise<void> {
    const digest = await this.#options.storage.content.put(bytes);
    this.#label(digest, this.#source(digest));
  }

  #source(digest: Digest): Labels {
    const { reference, storage } = this.#options;
    return sourceLabel(reference, storage.content.info(digest).labels[sourceKey(reference)]);
  }

  #label(digest: Digest, labels: Labels): void {
    mergeLabels(this.#options.storage.content, digest, labels);
  }

  #timed<T>(name: string, body: () => Promise<T>): Promise<T> {
    const { span } = this.#options;
    return span ? span.during(name, body) : body();
  }

  /** Remembers a promise, so that a failure elsewhere waits for it, and marks it as handled. */
  #start<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {});
    this.#pending.push(promise);
    return promise;
  }
}
