// The gRPC face of transfers, containerd.services.transfer.v1.Transfer: the types of source and destination choose what is done.
//   registry → image store: pull      image store → registry: push      image store → image store: tag
//   archive → image store: import     image store → archive: export
//   stored layers → image store: unpack, without an image (Berth's own)
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { parseDigest } from '@berth/oci/digest';
import { hostPlatform, type Platform } from '@berth/oci/platform';
import { Rate } from '@berth/oci/registry/rate';
import { holds, pack, unpack } from '@berth/rpc/any';
import { StoredLayers } from '@berth/rpc/gen/berth/types/transfer/layers';
import type { Transfer, TransferRequest } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import type { Platform as PlatformMessage } from '@berth/rpc/gen/containerd/types/platform';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { ImageExportStream, ImageImportStream } from '@berth/rpc/gen/containerd/types/transfer/importexport';
import { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import { OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import { type TransferTerms, termsOf } from '@berth/rpc/transfer-terms';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import { parseTraceparent, TRACEPARENT } from '@berth/trace/context';
import type { Span, Tracer } from '@berth/trace/tracer';
import type { Config } from '../config/keys.ts';
import type { LeaseStore } from '../leases/lease-store.ts';
import type { Scope } from '../metadata/scope.ts';
import type { Storage } from '../storage.ts';
import { receiveBytes, sendBytes } from '../transfer/byte-stream.ts';
import type { Downloads } from '../transfer/download.ts';
import { exportImages } from '../transfer/export-images.ts';
import type { Unpacking } from '../transfer/image-platforms.ts';
import { importImages } from '../transfer/import-images.ts';
import type { ProgressSink } from '../transfer/progress.ts';
import { pull } from '../transfer/pull.ts';
import { push } from '../transfer/push.ts';
import { openRegistryEnd } from '../transfer/registry-end.ts';
import type { TransferStorage } from '../transfer/storage.ts';
import type { MessageStream, Streams } from '../transfer/streams.ts';
import { TransferLeases } from '../transfer/transfer-leases.ts';
import { scopeOf } from './call-scope.ts';
import { descriptorOf } from './descriptor.ts';

export interface TransferServiceOptions {
  streams: Streams;
  downloads: Downloads;
  storage: Storage;
  leases: LeaseStore;
  tracer: Tracer;
  config: Pick<Config, 'hostDirectories' | 'downloads' | 'uploads'>;
  /** Collects garbage: what a transfer that failed for good has left. */
  collect(): Promise<unknown>;
}

export function transferService(options: TransferServiceOptions): Implementation<typeof Transfer> {
  const leases = new TransferLeases(options.leases);
  return {
    async transfer(request, call) {
      const scope = scopeOf(call);
      const progressStream = request.options?.progressStream;
      const stream = progressStream ? options.streams.get(scope.namespace, progressStream) : undefined;
      using lease = scope.lease === undefined ? leases.take(scope.namespace, targetOf(request)) : undefined;
      const parent = parseTraceparent(call.metadata.get(TRACEPARENT));
      using span = parent && options.tracer.start('lifecycle.transfer', parent);
      const storage = storageOf(options.storage, { ...scope, ...(lease ? { lease: lease.id } : {}) });
      try {
        await transfer(options, storage, request, { progress: sinkOf(stream), span, terms: termsOf(call.metadata), signal: call.signal });
        if (lease?.succeeded()) void options.collect().catch(() => {});
      } catch (error) {
        span?.fail(error);
        lease?.[Symbol.dispose]();
        // One that broke off is taken up by the next attempt, so what it fetched is kept for a while.
        if (!call.signal.aborted && !isKind(error, 'Unavailable')) void options.collect().catch(() => {});
        throw error;
      } finally {
        stream?.close();
      }
      return {};
    },
  };
}

/** The name of the image that a transfer makes here; '' when it makes none. */
function targetOf({ destination }: TransferRequest): string {
  return holds(destination, ImageStore) ? unpack(ImageStore, destination).name : '';
}

function storageOf(storage: Storage, scope: Scope): TransferStorage {
  return {
    namespace: scope.namespace,
    content: storage.content.in(scope),
    images: storage.images.in(scope),
    snapshotter: (name) => storage.snapshotter(scope, name),
    unpacker: storage.unpacker,
  };
}

interface Progressing {
  progress: ProgressSink;
  span: Span | undefined;
  terms: TransferTerms;
  signal: AbortSignal;
}

async function transfer(
  options: TransferServiceOptions,
  storage: TransferStorage,
  request: TransferRequest,
  { progress, span, terms, signal }: Progressing,
): Promise<void> {
  const { source, destination } = request;
  const { config } = options;
  const { parallel, attempts, nondistributable } = terms;
  const rate = new Rate(terms.rate);
  const streamOf = (id: string) => options.streams.get(storage.namespace, id);
  const open = (end: OCIRegistry) => openRegistryEnd(end, { streamOf, attempts, defaultHosts: config.hostDirectories });
  if (holds(source, OCIRegistry) && holds(destination, ImageStore)) {
    const store = unpack(ImageStore, destination);
    const { reference, repository } = await open(unpack(OCIRegistry, source));
    using opened = repository;
    await pull({
      storage,
      downloads: options.downloads,
      repository: opened,
      reference,
      name: store.name,
      labels: store.labels,
      ...choiceOf(store),
      progress,
      span,
      parallel: parallel ?? config.downloads,
      rate,
      signal,
    });
  } else if (holds(source, ImageImportStream) && holds(destination, ImageStore)) {
    const { stream, forceCompress: compress } = unpack(ImageImportStream, source);
    const store = unpack(ImageStore, destination);
    await importImages({ storage, archive: receiveBytes(streamOf(stream)), compress, store, ...choiceOf(store), progress, signal });
  } else if (holds(source, StoredLayers) && holds(destination, ImageStore)) {
    await unpackStored(storage, unpack(StoredLayers, source), unpack(ImageStore, destination), signal);
  } else if (holds(source, ImageStore) && holds(destination, ImageExportStream)) {
    const { stream, platforms, ...wanted } = unpack(ImageExportStream, destination);
    const images = namesOf(unpack(ImageStore, source)).map((name) => storage.images.get(name));
    progress({ event: 'Exporting' });
    const archive = await exportImages({ storage, images, platforms: platformsOf(platforms), ...wanted });
    await sendBytes(streamOf(stream), archive);
    progress({ event: 'Completed export' });
  } else if (holds(source, ImageStore) && holds(destination, OCIRegistry)) {
    const store = unpack(ImageStore, source);
    const { target } = storage.images.get(store.name);
    const { reference, repository } = await open(unpack(OCIRegistry, destination));
    using opened = repository;
    const platforms = platformsOf(store.platforms);
    const atOnce = parallel ?? config.uploads;
    await push({ storage, repository: opened, reference, target, platforms, parallel: atOnce, rate, nondistributable, progress, signal });
  } else if (holds(source, ImageStore) && holds(destination, ImageStore)) {
    const { target, labels } = storage.images.get(unpack(ImageStore, source).name);
    const { name } = unpack(ImageStore, destination);
    storage.images.put({ name, target, labels });
    progress({ event: 'saved', name, descriptor: target });
  } else {
    throw new EngineError(
      'NotImplemented',
      `no transfer from ${source?.typeUrl || 'nothing'} to ${destination?.typeUrl || 'nothing'}: not implemented`,
      {
        layer: 'lifecycle',
      },
    );
  }
}

async function unpackStored(
  { namespace, content, snapshotter, unpacker }: TransferStorage,
  { layers, diffIds }: StoredLayers,
  { unpacks }: ImageStore,
  signal: AbortSignal,
): Promise<void> {
  if (layers.length !== diffIds.length)
    throw new EngineError('InvalidArgument', `${layers.length} layers cannot have ${diffIds.length} diff ids: invalid argument`, {
      layer: 'lifecycle',
    });
  const wanted = layers.map((layer, position) => ({
    descriptor: descriptorOf(layer, 'layer'),
    diffId: parseDigest(diffIds[position] as string),
  }));
  for (const unpacking of unpacks)
    await unpacker.unpack({ namespace, content, snapshotter: snapshotter(unpacking.snapshotter) }, wanted, { signal });
}

/** What of an image is wanted: platforms, and which of them unpacked where. */
function choiceOf({ platforms, unpacks }: ImageStore): { platforms: Platform[]; unpack: Unpacking[] } {
  const unpack = unpacks.map(({ platform, snapshotter }) => ({ platform: platformOf(platform) ?? hostPlatform(), snapshotter }));
  return { platforms: platformsOf(platforms), unpack };
}

function namesOf({ name, extraReferences }: ImageStore): string[] {
  if (extraReferences.some(({ isPrefix }) => isPrefix))
    throw new EngineError('NotImplemented', 'prefix lookup on export not implemented: not implemented', { layer: 'lifecycle' });
  return [...(name ? [name] : []), ...extraReferences.map((reference) => reference.name)];
}

function sinkOf(stream: MessageStream | undefined): ProgressSink {
  if (!stream) return () => {};
  return ({ event, name = '', parents = [], progress = 0, total = 0, descriptor }) => {
    stream.send(
      pack(Progress, {
        event,
        name,
        parents,
        progress,
        total,
        ...(descriptor ? { desc: { ...descriptor, annotations: descriptor.annotations ?? {} } } : {}),
      }),
    );
  };
}

function platformsOf(messages: readonly PlatformMessage[]): Platform[] {
  return messages.flatMap((message) => platformOf(message) ?? []);
}

function platformOf(message: PlatformMessage | undefined): Platform | undefined {
  if (!message || message.os === '') return undefined;
  const { os, architecture, variant } = message;
  return { os, architecture, ...(variant === '' ? {} : { variant }) };
}
