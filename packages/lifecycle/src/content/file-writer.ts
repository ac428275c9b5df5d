// A writer of one ingest: appends to its data file and hashes what passes, in one pass. A resumed ingest is hashed again first,
// because the state of a hash cannot be stored.
import { createHash, type Hash } from 'node:crypto';
import { constants, lstatSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import type { CommitOptions, ContentWriter, IngestStatus } from './content.ts';
import type { HashFile } from './file-content.ts';
import { readIngest, writeIngest } from './ingest-record.ts';

export interface IngestIdentity {
  namespace: string;
  ref: string;
  total: number;
  expected: Digest | undefined;
  directory: string;
}

interface WriterHooks {
  finish(digest: Digest, size: number, options: CommitOptions): void;
  hashFile: HashFile;
}

export class FileWriter implements ContentWriter {
  readonly ref: string;
  readonly #ingest: IngestIdentity;
  readonly #hooks: WriterHooks;
  readonly #startedAt: Date;
  readonly #algorithm: string;
  #updatedAt: Date;
  #hash: Hash;
  /** Undefined when there is nothing to write: the bytes are there already, for another namespace or in a file that was taken, or the writer has ended. */
  #handle: FileHandle | undefined;
  #shared: { digest: Digest; size: number } | undefined;
  #taken: Digest | undefined;
  #offset = 0;
  #ended = false;
  #onEnd: () => void = () => {};

  private constructor(ingest: IngestIdentity, startedAt: Date, hooks: WriterHooks) {
    this.ref = ingest.ref;
    this.#ingest = ingest;
    this.#hooks = hooks;
    this.#startedAt = startedAt;
    this.#updatedAt = startedAt;
    this.#algorithm = ingest.expected?.slice(0, ingest.expected.indexOf(':')) ?? 'sha256';
    this.#hash = createHash(this.#algorithm);
  }

  /** Opens or resumes an ingest. `shared` is the size of the expected blob where its bytes are here already. */
  static async open(ingest: IngestIdentity, shared: number | undefined, hooks: WriterHooks): Promise<FileWriter> {
    const known = readIngest(ingest.directory);
    if (known && known.total > 0 && ingest.total > 0 && known.total !== ingest.total) {
      throw new EngineError('FailedPrecondition', `provided total differs from status: ${ingest.total} != ${known.total}`, {
        layer: 'lifecycle',
      });
    }
    const startedAt = known?.startedAt ?? new Date();
    const writer = new FileWriter({ ...ingest, total: ingest.total || known?.total || 0 }, startedAt, hooks);
    if (shared !== undefined && ingest.expected) {
      writer.#shared = { digest: ingest.expected, size: shared };
      writer.#offset = shared;
      return writer;
    }
    const handle = await openData(ingest, startedAt, known !== undefined);
    writer.#handle = handle;
    try {
      await writer.#rehash(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return writer;
  }

  async #rehash(handle: FileHandle): Promise<void> {
    const { size } = await handle.stat();
    if (size === 0) return;
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#offset);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#offset += bytesRead;
    }
  }

  /** Called once when the writer ends, by whichever way. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  get offset(): number {
    return this.#offset;
  }

  status(): IngestStatus {
    const { ref, total, expected } = this.#ingest;
    return { ref, total, expected, offset: this.#offset, startedAt: this.#startedAt, updatedAt: this.#updatedAt };
  }

  digest(): Digest {
    return this.#shared?.digest ?? this.#taken ?? (`${this.#algorithm}:${this.#hash.copy().digest('hex')}` as Digest);
  }

  async write(chunk: Uint8Array): Promise<void> {
    const handle = this.#writable();
    const written = writeAll(handle, chunk, this.#offset);
    // Hashed here while the thread pool writes.
    this.#hash.update(chunk);
    try {
      await written;
    } catch (error) {
      // The hash has seen more than the file has: who goes on opens the ingest again.
      await this.#closeFile();
      throw error;
    }
    this.#offset += chunk.length;
    this.#updatedAt = new Date();
  }

  async take(path: string): Promise<boolean> {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    // Of a file with other names somebody could change the bytes after they were hashed.
    if (this.#offset > 0 || !stat?.isFile() || stat.nlink > 1) return false;
    const data = join(this.#ingest.directory, 'data');
    try {
      renameSync(path, data);
    } catch (error) {
      // Another file system, or another view of it.
      if (['EXDEV', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
    await this.#closeFile();
    const { digest, size } = await this.#hooks.hashFile(data, this.#algorithm);
    this.#taken = digest;
    this.#offset = size;
    this.#updatedAt = new Date();
    return true;
  }

  async truncate(_size: 0): Promise<void> {
    if (this.#shared || this.#taken) {
      // The caller insists on bringing the bytes itself: then this is an ingest like any other.
      this.#shared = undefined;
      this.#taken = undefined;
      this.#handle = await openData(this.#ingest, this.#startedAt);
    }
    await this.#writable().truncate(0);
    this.#offset = 0;
    this.#hash = createHash(this.#algorithm);
  }

  #writable(): FileHandle {
    if (!this.#handle)
      throw new EngineError('FailedPrecondition', `cannot write to ingest ${this.ref}: its writer is closed`, { layer: 'lifecycle' });
    return this.#handle;
  }

  async commit(options: CommitOptions = {}): Promise<Digest> {
    if (this.#ended)
      throw new EngineError('FailedPrecondition', 'cannot commit on closed writer: failed precondition', { layer: 'lifecycle' });
    try {
      await this.#closeFile();
      if (options.size && options.size !== this.#offset) {
        throw new EngineError(
          'FailedPrecondition',
          `unexpected commit size ${this.#offset}, expected ${options.size}: failed precondition`,
          { layer: 'lifecycle' },
        );
      }
      const digest = await this.#digestLike(options.digest);
      if (options.digest && options.digest !== digest) {
        throw new EngineError('FailedPrecondition', `unexpected commit digest ${digest}, expected ${options.digest}: failed precondition`, {
          layer: 'lifecycle',
        });
      }
      this.#hooks.finish(digest, this.#offset, options);
      return digest;
    } finally {
      this.#end();
    }
  }

  /** The digest in the algorithm that commit expects: a writer that was opened without expectation has hashed with SHA-256. */
  async #digestLike(expected: Digest | undefined): Promise<Digest> {
    const algorithm = expected?.slice(0, expected.indexOf(':')) ?? this.#algorithm;
    if (this.#shared || algorithm === this.#algorithm) return this.digest();
    await using handle = await open(join(this.#ingest.directory, 'data'), constants.O_RDONLY);
    const hash = createHash(algorithm);
    for await (const chunk of handle.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) hash.update(chunk as Buffer);
    return `${algorithm}:${hash.digest('hex')}` as Digest;
  }

  async close(): Promise<void> {
    await this.#closeFile();
    this.#end();
  }

  async discard(): Promise<void> {
    if (this.#ended) return;
    await this.#closeFile();
    rmSync(this.#ingest.directory, { recursive: true, force: true });
    this.#end();
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}

/** Opens an ingest's data; a new ingest is described first, so that it can be listed and resumed. */
async function openData(ingest: IngestIdentity, startedAt: Date, known = false): Promise<FileHandle> {
  const { namespace, ref, total, expected, directory } = ingest;
  if (!known) writeIngest(directory, { namespace, ref, total, expected, startedAt: startedAt.toISOString() });
  return await open(join(directory, 'data'), constants.O_RDWR | constants.O_CREAT, 0o600);
}
