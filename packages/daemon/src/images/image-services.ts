// The lifecycle service's calls that images are made of, and the three things that take more than one call: reading a blob,
// writing one, and keeping what is being made from the garbage collector.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { readBlob } from '@berth/lifecycle/client/image-config';
import { type Digest, digestOf } from '@berth/oci/digest';
import { contentFileMetadata } from '@berth/rpc/content-file';
import { type Content, WriteAction } from '@berth/rpc/gen/containerd/services/content/v1/content';
import type { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import type { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import type { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import type { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import type { Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import type { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import type { ServiceClient } from '@berth/rpc/grpc/client';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';

/** Messages are limited to 16 MiB; a chunk of this size keeps a stream moving without many turns. */
const CHUNK = 1 << 20;
/** Chunks that may be on the way without an answer: enough to keep both sides at work. */
const UNANSWERED = 4;

const LEASE_PREFIX = 'berthd-';
const REF_PREFIX = 'daemon-';

export interface WriteOptions {
  lease: string;
  labels?: Record<string, string>;
  signal?: AbortSignal;
}

export class ImageServices {
  readonly content: ServiceClient<typeof Content>;
  readonly diff: ServiceClient<typeof Diff>;
  readonly images: ServiceClient<typeof Images>;
  readonly leases: ServiceClient<typeof Leases>;
  readonly snapshots: ServiceClient<typeof Snapshots>;
  readonly streaming: ServiceClient<typeof Streaming>;
  readonly transfer: ServiceClient<typeof Transfer>;
  readonly snapshotter: string;

  readonly #lifecycle: Lifecycle;

  constructor(lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
    this.content = lifecycle.content;
    this.diff = lifecycle.diff;
    this.images = lifecycle.images;
    this.leases = lifecycle.leases;
    this.snapshots = lifecycle.snapshots;
    this.streaming = lifecycle.streaming;
    this.transfer = lifecycle.transfer;
    this.snapshotter = lifecycle.snapshotter;
  }

  /** Somebody else's service, which knows nothing of Berth's own terms. */
  get foreign(): boolean {
    return this.#lifecycle.foreign;
  }

  get reachesByHosts(): boolean {
    return this.#lifecycle.reachesByHosts;
  }

  /** A whole blob: for manifests and configurations. */
  read(digest: string): Promise<Buffer> {
    return readBlob(this, digest);
  }

  /** Stores a small blob; one that is there already is fine. */
  async put(bytes: Uint8Array, options: WriteOptions): Promise<Digest> {
    const digest = digestOf(bytes);
    const source = async function* () {
      yield bytes;
    };
    await this.write(source(), { ...options, expected: digest, total: bytes.length });
    return digest;
  }

  /** Stores what a file holds. The service may have taken the file then; else its bytes were sent. */
  storeFile({ path }: { path: string }, options: WriteOptions): Promise<{ digest: Digest; size: number }> {
    const bytes = async function* () {
      yield* createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
    };
    return this.write(bytes(), { ...options, file: path });
  }

  /** Streams a blob into the store; digest and size are what arrived. The bytes of `file` are those of the source. */
  async write(
    source: AsyncIterable<Uint8Array>,
    options: WriteOptions & { expected?: Digest; total?: number; file?: string },
  ): Promise<{ digest: Digest; size: number }> {
    const { lease, labels, signal, expected = '', total = 0, file } = options;
    const ref = `${REF_PREFIX}${randomUUID()}`;
    const metadata = file === undefined ? {} : contentFileMetadata(file);
    using call = this.content.write({ lease, metadata, ...(signal ? { signal } : {}) });
    const answers = call[Symbol.asyncIterator]();
    let digest: string = expected;
    let offset = 0;
    let unanswered = 0;
    try {
      if (file !== undefined) {
        await call.send({ action: WriteAction.STAT, ref, total, expected });
        offset = (await nextAnswer(answers)).offset;
      }
      for await (const data of offset > 0 ? [] : chunksOf(source)) {
        await call.send({ action: WriteAction.WRITE, ref, total, expected, offset, data });
        offset += data.length;
        if (++unanswered < UNANSWERED) continue;
        await nextAnswer(answers);
        unanswered--;
      }
      for (; unanswered > 0; unanswered--) await nextAnswer(answers);
      if (expected === '') {
        // A blob that is there already is refused at the commit: what its digest is must be known before.
        await call.send({ action: WriteAction.STAT, ref, total, expected });
        digest = (await nextAnswer(answers)).digest;
      }
      await call.send({ action: WriteAction.COMMIT, ref, total: offset, expected, offset, labels: labels ?? {} });
      await nextAnswer(answers);
      call.end();
      // Left before its end, a stream is reset; a service takes some thousand resets in a row for an attack and hangs up.
      await answers.next();
      return { digest: digest as Digest, size: offset };
    } catch (error) {
      if (!isKind(error, 'AlreadyExists')) {
        await this.content.abort({ ref }).catch(() => {});
        throw error;
      }
      await this.#keep(digest, labels ?? {}, lease);
      return { digest: digest as Digest, size: expected === '' ? offset : total };
    }
  }

  /** Runs `body` under a lease: whatever it makes lives at least as long as it runs. */
  withLease<T>(body: (lease: string) => Promise<T>): Promise<T> {
    return this.#lifecycle.withLease(body, `${LEASE_PREFIX}${randomUUID()}`);
  }

  /** At the start: gives back what a daemon that was killed left half made. A pull's downloads are the lifecycle service's and stay. */
  async reclaim(): Promise<void> {
    const { leases } = await this.leases.list({ filters: [] });
    for (const { id } of leases) if (id.startsWith(LEASE_PREFIX)) await this.leases.delete({ id });
    const { statuses } = await this.content.listStatuses({ filters: [] });
    for (const { ref } of statuses) if (ref.startsWith(REF_PREFIX)) await this.content.abort({ ref }).catch(() => {});
  }

  /** Has the lifecycle service collect what nothing leads to any more. */
  async collect(): Promise<void> {
    const id = `berthd-${randomUUID()}`;
    await this.leases.create({ id, labels: {} });
    await this.leases.delete({ id, sync: true });
  }

  async #keep(digest: string, labels: Record<string, string>, lease: string): Promise<void> {
    await this.leases.addResource({ id: lease, resource: { id: digest, type: 'content' } });
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    if (paths.length > 0) await this.content.update({ info: { digest, labels }, updateMask: { paths } });
  }
}

async function nextAnswer<T>(answers: AsyncIterator<T>): Promise<T> {
  const answer = await answers.next();
  if (answer.done)
    throw new EngineError('Unavailable', 'the lifecycle service ended a write before it was committed', { layer: 'lifecycle' });
  return answer.value;
}

/** Small chunks are put together and large ones cut, so that each is one message of a good size. */
async function* chunksOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += CHUNK) {
      const part = chunk.subarray(at, at + CHUNK);
      if (size + part.length > CHUNK && size > 0) {
        yield Buffer.concat(held, size);
        held = [];
        size = 0;
      }
      held.push(part);
      size += part.length;
    }
  }
  if (size > 0) yield Buffer.concat(held, size);
}
