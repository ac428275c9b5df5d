// Pushing: what an image stands for, from the content store to a registry, children before what refers to them, so that the
// registry never holds a manifest whose blobs it lacks. Blobs that the registry has are not sent, or are mounted there.
import { createReadStream } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { type Descriptor, type Index, isForeignLayerType, isIndexType, parseManifestDocument } from '@berth/oci/image-spec';
import { bestMatch, hostPlatform, type Platform } from '@berth/oci/platform';
import { canonical, type Reference } from '@berth/oci/reference';
import { Rate } from '@berth/oci/registry/rate';
import type { Repository } from '@berth/oci/registry/repository';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { mergeLabels } from '../content/blob-labels.ts';
import { Limit } from './limit.ts';
import { ObjectProgress, type ProgressSink } from './progress.ts';
import { sourceKey, sourceLabel, sourcesOf } from './references.ts';
import type { TransferStorage } from './storage.ts';

export interface PushOptions {
  storage: TransferStorage;
  repository: Repository;
  reference: Reference;
  target: Descriptor;
  /** Of an index, only these; all when empty. */
  platforms: readonly Platform[];
  /** Blobs sent at a time. */
  parallel?: number | undefined;
  rate?: Rate;
  /** Sends foreign layers too, which otherwise stay with their makers. */
  nondistributable?: boolean | undefined;
  progress: ProgressSink;
  signal: AbortSignal;
}

const PARALLEL_UPLOADS = 5;

/** The descriptor that the registry now has under the reference's tag. */
export async function push(options: PushOptions): Promise<Descriptor> {
  const { reference, progress } = options;
  progress({ event: `Pushing to ${canonical(reference)}` });
  const root = await rootOf(options);
  const limit = new Limit(options.parallel ?? PARALLEL_UPLOADS);
  await pushDocument({ rate: new Rate(), ...options }, limit, root, reference.tag ?? root.digest, []);
  progress({ event: `Completed push to ${canonical(reference)}`, descriptor: root });
  return root;
}

/** An index is pushed whole, or, when only some of its platforms were pulled, as the manifest that runs here. */
async function rootOf({ storage, target, platforms }: PushOptions): Promise<Descriptor> {
  if (!isIndexType(target.mediaType)) return target;
  const index = await readIndex(storage, target);
  const present = index.manifests.filter((entry) => storage.content.has(entry.digest));
  if (platforms.length === 0 && present.length === index.manifests.length) return target;
  const match = bestMatch(platforms[0] ?? hostPlatform(), present);
  if (match) return match;
  throw new EngineError('NotFound', `${target.digest}: none of its manifests for this platform is here to be pushed; pull it first`, {
    layer: 'lifecycle',
  });
}

async function pushDocument(
  options: PushOptions & { rate: Rate },
  limit: Limit,
  descriptor: Descriptor,
  name: string,
  parents: readonly Descriptor[],
): Promise<void> {
  const { storage, repository, signal } = options;
  const reports = new ObjectProgress(options.progress, descriptor, parents);
  const bytes = await storage.content.read(descriptor.digest);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  const path = [...parents, descriptor];
  if (document.kind === 'index') {
    for (const child of document.index.manifests) await pushDocument(options, limit, child, child.digest, path);
  } else {
    const { layers, config } = document.manifest;
    const sent = layers.filter((layer) => options.nondistributable || !isForeign(layer));
    const blobs = [...sent, config].map((blob) => ({
      blob,
      reports: new ObjectProgress(options.progress, blob, path),
    }));
    for (const entry of blobs) entry.reports.step('waiting');
    await allOrFirstError(blobs.map((entry) => limit.run(() => pushBlob(options, entry.blob, entry.reports))));
  }
  await putManifest(repository.upstream, name, { mediaType: descriptor.mediaType, bytes }, signal);
  reports.step('complete', descriptor.size);
}

async function pushBlob(options: PushOptions & { rate: Rate }, blob: Descriptor, reports: ObjectProgress): Promise<void> {
  const { storage, repository, reference, rate, signal } = options;
  signal.throwIfAborted();
  const { labels } = infoOf(storage, blob);
  if (await repository.hasBlob(blob.digest, signal)) reports.step('already exists', blob.size);
  else {
    const path = storage.content.path(blob.digest);
    const source = (offset: number) => rate.limit(createReadStream(path, { start: offset, highWaterMark: 1 << 18 }), signal);
    const onProgress = (sent: number) => reports.bytes('uploading', sent);
    const from = await uploadBlob(repository.upstream, blob, source, { mountFrom: sourcesOf(labels, reference), onProgress, signal });
    reports.step(from === undefined ? 'complete' : `mounted from ${from}`, blob.size);
  }
  mergeLabels(storage.content, blob.digest, sourceLabel(reference, labels[sourceKey(reference)]));
}

function isForeign({ mediaType, urls = [] }: Descriptor): boolean {
  return isForeignLayerType(mediaType) && urls.length > 0;
}

function infoOf(storage: TransferStorage, blob: Descriptor) {
  if (storage.content.has(blob.digest)) return storage.content.info(blob.digest as Digest);
  throw new EngineError('NotFound', `${blob.digest} is not in the content store, so it cannot be pushed; pull or build the image again`, {
    layer: 'lifecycle',
  });
}

async function readIndex(storage: TransferStorage, target: Descriptor): Promise<Index> {
  const document = parseManifestDocument(await storage.content.read(target.digest), target.mediaType);
  if (document.kind === 'index') return document.index;
  throw new EngineError('InvalidArgument', `${target.digest} is no index`, { layer: 'lifecycle' });
}

/** All settle before the first error is thrown: nothing goes on behind the caller's back. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}
