// Uploads: bytes on their way to become a blob, `uploads/<id>/data`. What has arrived lies in the file, so an upload goes on after a
// broken connection or a restart of the server. The SHA-256 is computed while bytes arrive; only when its state was lost (a
// restart, another algorithm) is the file read once more at the end.
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '@berth/oci/digest';
import { Problem } from '../problem.ts';
import { type Blobs, readFrom } from './blobs.ts';
import { entriesOf, isMissing, replaceFile } from './durable.ts';
import type { Layout } from './layout.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Hash states kept in memory; those of the longest idle uploads are dropped and computed anew at the end. */
const STATES = 1024;

interface Progress {
  hash: Hash;
  /** How many bytes went into it. */
  size: number;
}

interface Turn {
  interrupt(): void;
  readonly ended: Promise<void>;
}

export interface AppendOptions {
  /** Where the client believes to be; RANGE_INVALID when the upload is elsewhere. */
  start?: number;
  /** How many bytes must come; fewer are kept, more are refused. */
  length?: number;
  /** Called when another request for the same upload arrives: the client has given this one up. */
  interrupt?: () => void;
}

export class Uploads {
  readonly #layout: Layout;
  readonly #blobs: Blobs;
  readonly #progress = new Map<string, Progress>();
  readonly #turns = new Map<string, Turn>();

  constructor(layout: Layout, blobs: Blobs) {
    this.#layout = layout;
    this.#blobs = blobs;
  }

  /** The new upload's id, which is also the capability to write to it. */
  async start(repository: string): Promise<string> {
    const id = randomUUID();
    await mkdir(this.#layout.upload(id));
    await using file = await open(this.dataPath(id), 'wx', 0o644);
    await file.sync();
    await replaceFile(this.#layout.temporary, this.#ownerPath(id), JSON.stringify({ repository }));
    this.#remember(id, { hash: createHash('sha256'), size: 0 });
    return id;
  }

  /** Bytes received so far. BLOB_UPLOAD_UNKNOWN for an id that is not one of this repository's. */
  async sizeOf(repository: string, id: string): Promise<number> {
    await this.#check(repository, id);
    return (await stat(this.dataPath(id))).size;
  }

  /** Appends what comes and answers the new size. When the source breaks off, what came is kept. */
  async append(repository: string, id: string, source: AsyncIterable<Buffer>, options: AppendOptions = {}): Promise<number> {
    await this.#check(repository, id);
    using _turn = await this.#take(id, options.interrupt);
    await using file = await open(this.dataPath(id), 'r+');
    const { size, nlink } = await file.stat();
    if (options.start !== undefined && options.start !== size) throw outOfOrder(options.start, size);
    const progress = this.#stateAt(id, size);
    let at = size;
    for await (const chunk of source) {
      // The file is a blob's already (the server died between the two steps of finishing): a blob never changes.
      if (nlink > 1) throw new Problem('BLOB_UPLOAD_INVALID', 'this upload is complete: close it, or start another');
      if (options.length !== undefined && at + chunk.length > size + options.length) throw wrongLength(options.length);
      const written = writeAll(file, chunk, at);
      progress?.hash.update(chunk);
      await written;
      at += chunk.length;
      if (progress) progress.size = at;
    }
    if (options.length !== undefined && at !== size + options.length) throw wrongLength(options.length);
    return at;
  }

  /** Makes the upload the blob `digest`, or removes it when its bytes are not that. Answers its size. */
  async finish(repository: string, id: string, digest: Digest): Promise<number> {
    await this.#check(repository, id);
    using _turn = await this.#take(id);
    await using file = await open(this.dataPath(id), 'r+');
    const { size } = await file.stat();
    const actual = await this.#digest(id, file, size, digest.slice(0, digest.indexOf(':')));
    if (actual !== digest) {
      await this.remove(id);
      throw new Problem('DIGEST_INVALID', undefined, { detail: { expected: digest, actual } });
    }
    await file.sync();
    await this.#blobs.adopt(this.dataPath(id), digest);
    return size;
  }

  async cancel(repository: string, id: string): Promise<void> {
    await this.#check(repository, id);
    using _turn = await this.#take(id);
    await this.remove(id);
  }

  async remove(id: string): Promise<void> {
    this.#progress.delete(id);
    await rm(this.#layout.upload(id), { recursive: true, force: true });
  }

  /** Removes uploads that nobody has written to since `cutoff` (milliseconds since 1970); answers how many. */
  async expire(cutoff: number, options: { dryRun?: boolean } = {}): Promise<number> {
    let count = 0;
    for (const id of await entriesOf(this.#layout.uploads)) {
      if (this.#turns.has(id)) continue;
      const touched = await stat(this.dataPath(id)).catch(() => stat(this.#layout.upload(id)).catch(() => undefined));
      if (touched === undefined || touched.mtimeMs >= cutoff) continue;
      if (!options.dryRun) await this.remove(id);
      count++;
    }
    return count;
  }

  /** Where the bytes lie. */
  dataPath(id: string): string {
    return join(this.#layout.upload(id), 'data');
  }

  #ownerPath(id: string): string {
    return join(this.#layout.upload(id), 'upload.json');
  }

  async #check(repository: string, id: string): Promise<void> {
    if (ID.test(id)) {
      try {
        const owner = JSON.parse(await readFile(this.#ownerPath(id), 'utf8')) as { repository?: unknown };
        if (owner.repository === repository) return;
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    throw new Problem('BLOB_UPLOAD_UNKNOWN');
  }

  /** One request at a time writes to an upload. A new one ends the old: it comes from a client whose connection broke unnoticed. */
  async #take(id: string, interrupt: () => void = () => {}): Promise<Disposable> {
    for (let running = this.#turns.get(id); running; running = this.#turns.get(id)) {
      running.interrupt();
      await running.ended;
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#turns.set(id, { interrupt, ended });
    const end = () => {
      this.#turns.delete(id);
      resolve();
    };
    return { [Symbol.dispose]: end };
  }

  #stateAt(id: string, size: number): Progress | undefined {
    const progress = this.#progress.get(id);
    this.#progress.delete(id);
    if (progress === undefined || progress.size !== size) return undefined;
    this.#remember(id, progress);
    return progress;
  }

  #remember(id: string, progress: Progress): void {
    this.#progress.set(id, progress);
    if (this.#progress.size <= STATES) return;
    for (const oldest of this.#progress.keys()) {
      this.#progress.delete(oldest);
      break;
    }
  }

  async #digest(id: string, file: FileHandle, size: number, algorithm: string): Promise<Digest> {
    const progress = algorithm === 'sha256' ? this.#stateAt(id, size) : undefined;
    if (progress) return `sha256:${progress.hash.copy().digest('hex')}`;
    const hash = createHash(algorithm);
    for await (const chunk of readFrom(file, { start: 0, end: size - 1 })) hash.update(chunk);
    return `${algorithm}:${hash.digest('hex')}` as Digest;
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  }
}

function outOfOrder(start: number, size: number): Problem {
  return new Problem('RANGE_INVALID', `the chunk starts at byte ${start}, but ${size} bytes have arrived: go on from there`);
}

function wrongLength(expected: number): Problem {
  return new Problem('SIZE_INVALID', `the body is not the ${expected} bytes that its headers promise`);
}
