// One blob on its way from the upstream registry into the store, read meanwhile by everybody who asks for it. Readers follow the file as it
// grows, each at its own pace. The last byte is held back until the digest is known to be right, so that a client never takes a damaged
// blob for a whole one.
import { type FileHandle, open } from 'node:fs/promises';
import type { Digest } from '@berth/oci/digest';
import { type BlobContent, type Range, readFrom } from '../store/blobs.ts';
import type { Store } from '../store/store.ts';

export interface DownloadSource {
  store: Store;
  name: string;
  digest: Digest;
  size: number;
  chunks: AsyncIterable<Buffer>;
}

export class Download {
  readonly size: number;
  /** Settles when the blob is in the store, or cannot be had. */
  readonly ended: Promise<void>;
  readonly #path: string;
  #available = 0;
  #failure: unknown;
  #progress = Promise.withResolvers<void>();

  private constructor(source: DownloadSource, id: string) {
    this.size = source.size;
    this.#path = source.store.uploads.dataPath(id);
    this.ended = this.#run(source, id);
    // Readers are told by #failure; nobody may be waiting for the end itself.
    this.ended.catch(() => undefined);
  }

  static async start(source: DownloadSource): Promise<Download> {
    return new Download(source, await source.store.uploads.start(source.name));
  }

  /** Undefined when the file was taken over by the store already: read it there. */
  async open(): Promise<BlobContent | undefined> {
    const file = await open(this.#path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return file && { size: this.size, chunks: (range) => this.#follow(file, range), [Symbol.asyncDispose]: () => file.close() };
  }

  async *#follow(file: FileHandle, range: Range): AsyncGenerator<Buffer, void, undefined> {
    for (let at = range.start; at <= range.end; ) {
      if (this.#failure !== undefined) throw this.#failure;
      const end = Math.min(range.end, this.#available - 1);
      if (end < at) {
        await this.#progress.promise;
        continue;
      }
      yield* readFrom(file, { start: at, end });
      at = end + 1;
    }
  }

  async #run({ store, name, digest, size, chunks }: DownloadSource, id: string): Promise<void> {
    try {
      await store.uploads.append(name, id, this.#counted(chunks), { length: size });
      await store.uploads.finish(name, id, digest);
      await store.repositories.linkBlob(name, digest);
      this.#advance(size);
    } catch (error) {
      this.#failure = error;
      this.#advance(this.#available);
      throw error;
    } finally {
      await store.uploads.remove(id);
    }
  }

  /** The next chunk is asked for when the last one is in the file. */
  async *#counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    let written = 0;
    for await (const chunk of chunks) {
      yield chunk;
      written += chunk.length;
      this.#advance(Math.min(written, this.size - 1));
    }
  }

  #advance(available: number): void {
    this.#available = available;
    this.#progress.resolve();
    this.#progress = Promise.withResolvers<void>();
  }
}
