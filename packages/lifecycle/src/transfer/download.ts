// Downloads of blobs into the content store. Everybody who wants one blob in one namespace at one time shares one download, which
// goes on while anybody still wants it; a download that broke off in an earlier pull is taken up where it ended.
import { setTimeout as sleep } from 'node:timers/promises';
import { isKind } from '@berth/errdefs/engine-error';
import type { Descriptor } from '@berth/oci/image-spec';
import type { Rate } from '@berth/oci/registry/rate';
import { type Repository, verificationFailed } from '@berth/oci/registry/repository';
import type { Content, ContentWriter } from '../content/content.ts';
import { objectName } from './progress.ts';

/** How often a writer that another client holds is asked for again, ms. */
const LOCKED_RETRY_MS = 100;
/** Bytes. What a connection gives at once is a tenth of it, and each write is a trip through the thread pool. */
const WRITTEN_AT_ONCE = 512 * 1024;

export interface DownloadRequest {
  namespace: string;
  content: Content;
  repository: Repository;
  descriptor: Descriptor;
  /** Bytes in the store so far. */
  onProgress?: (received: number) => void;
  /** Of whoever wanted the blob first. */
  rate: Rate;
  signal: AbortSignal;
}

interface SharedDownload {
  finished: Promise<void>;
  listeners: Set<(received: number) => void>;
  users: number;
  controller: AbortController;
}

export class Downloads {
  readonly #running = new Map<string, SharedDownload>();

  /** Resolves when the namespace has the blob; `existed` when it had it before. */
  async fetch(request: DownloadRequest): Promise<'existed' | 'fetched'> {
    const { content, descriptor, signal } = request;
    signal.throwIfAborted();
    if (content.keep(descriptor.digest)) return 'existed';
    const key = `${request.namespace}/${descriptor.digest}`;
    const shared = this.#running.get(key) ?? this.#start(key, request);
    if (request.onProgress) shared.listeners.add(request.onProgress);
    shared.users++;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([shared.finished, aborted]);
      // The download may have run under somebody else's lease.
      content.keep(descriptor.digest);
      return 'fetched';
    } finally {
      signal.removeEventListener('abort', abort);
      if (request.onProgress) shared.listeners.delete(request.onProgress);
      if (--shared.users === 0) this.#leave(key, shared);
    }
  }

  #start(key: string, request: DownloadRequest): SharedDownload {
    const controller = new AbortController();
    const listeners = new Set<(received: number) => void>();
    const onProgress = (received: number) => {
      for (const listener of listeners) listener(received);
    };
    const finished = download({ ...request, onProgress, signal: controller.signal });
    const shared = { finished, listeners, users: 0, controller };
    const forget = () => this.#forget(key, shared);
    finished.then(forget, forget);
    this.#running.set(key, shared);
    return shared;
  }

  /** Nobody wants it any more: whoever comes next starts another, which takes up what this one leaves. */
  #leave(key: string, shared: SharedDownload): void {
    this.#forget(key, shared);
    shared.controller.abort();
  }

  #forget(key: string, shared: SharedDownload): void {
    if (this.#running.get(key) === shared) this.#running.delete(key);
  }
}

async function download(request: DownloadRequest): Promise<void> {
  const { content, descriptor, signal } = request;
  const ref = objectName(descriptor);
  const writer = await openWriter(content, descriptor, ref, signal);
  if (writer === undefined) return;
  const resumedAt = writer.offset;
  try {
    await copy(request, writer);
    const fits = writer.offset === descriptor.size && writer.digest() === descriptor.digest;
    if (fits && (await committed(writer, descriptor))) return;
    await writer.discard();
  } finally {
    // One that was stopped before its first byte leaves nothing to go on with.
    if (writer.offset === 0) await writer.discard();
    else await writer.close();
  }
  // What an earlier pull left may have been damaged: once more from the start, then it is the registry that lies.
  if (resumedAt === 0) throw verificationFailed(descriptor);
  return download(request);
}

async function copy(request: DownloadRequest, writer: ContentWriter): Promise<void> {
  const { repository, descriptor, rate, signal } = request;
  let held: Buffer[] = [];
  let size = 0;
  const flush = async () => {
    const chunk = Buffer.concat(held, size);
    held = [];
    size = 0;
    await writer.write(chunk);
    request.onProgress?.(writer.offset);
  };
  try {
    for await (const chunk of rate.limit(repository.blob(descriptor, { offset: writer.offset, signal }), signal)) {
      held.push(chunk);
      size += chunk.length;
      if (size >= WRITTEN_AT_ONCE) await flush();
    }
  } finally {
    // What has come of a download that broke off need not come again.
    if (size > 0) await flush();
  }
}

/** A blob that somebody else committed meanwhile is as good; false when the bytes of another namespace, which were to serve, are gone. */
async function committed(writer: ContentWriter, { size, digest }: Descriptor): Promise<boolean> {
  try {
    await writer.commit({ size, digest });
    return true;
  } catch (error) {
    if (isKind(error, 'AlreadyExists')) return true;
    if (isKind(error, 'FailedPrecondition')) return false;
    throw error;
  }
}

/** Undefined when the blob has come to be while a foreign writer was waited for. */
async function openWriter(content: Content, descriptor: Descriptor, ref: string, signal: AbortSignal): Promise<ContentWriter | undefined> {
  for (;;) {
    try {
      return await content.writer({ ref, total: descriptor.size, expected: descriptor.digest });
    } catch (error) {
      if (isKind(error, 'AlreadyExists')) return undefined;
      if (!isKind(error, 'Unavailable')) throw error;
      await sleep(LOCKED_RETRY_MS, undefined, { signal });
    }
  }
}
