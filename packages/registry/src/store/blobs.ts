// Blobs by digest, one file each, whoever pushed them. A blob appears whole (a finished upload gets a second name) and never changes.
import { type FileHandle, open, stat, utimes } from 'node:fs/promises';
import type { Digest } from '@berth/oci/digest';
import { isMissing, linkFile } from './durable.ts';
import type { Layout } from './layout.ts';
import type { Trash } from './trash.ts';

/** Read in pieces of this many bytes. */
const CHUNK = 256 * 1024;

export interface Range {
  /** First byte. */
  start: number;
  /** Last byte, inclusive. */
  end: number;
}

/** A blob that can be sent. */
export interface BlobContent extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  chunks(range: Range): AsyncIterable<Buffer>;
}

export class Blobs {
  readonly #layout: Layout;
  readonly #trash: Trash;

  constructor(layout: Layout, trash: Trash) {
    this.#layout = layout;
    this.#trash = trash;
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.#layout.blob(digest))).size;
    } catch (error) {
      if (!isMissing(error)) throw error;
      return (await this.#trash.restore(this.#layout.blob(digest))) ? this.sizeOf(digest) : undefined;
    }
  }

  /** Keeps a collector that has begun from deleting the blob. False when there is none. */
  touch(digest: Digest): Promise<boolean> {
    return this.#trash.touch(this.#layout.blob(digest));
  }

  async open(digest: Digest): Promise<BlobContent | undefined> {
    const path = this.#layout.blob(digest);
    try {
      return await fileContent(await open(path, 'r'));
    } catch (error) {
      if (!isMissing(error)) throw error;
      return (await this.#trash.restore(path)) ? this.open(digest) : undefined;
    }
  }

  /** The whole blob, for small ones: manifests. */
  async read(digest: Digest): Promise<Buffer | undefined> {
    await using content = await this.open(digest);
    if (!content) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of content.chunks({ start: 0, end: content.size - 1 })) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Takes over a finished, checked and synced file; its old name stays until its owner removes it. */
  async adopt(path: string, digest: Digest): Promise<void> {
    // Its last byte may have come long ago, but it is a new blob.
    await utimes(path, new Date(), new Date());
    if (await linkFile(path, this.#layout.blob(digest))) await this.touch(digest);
  }
}

export async function* readFrom(file: FileHandle, range: Range): AsyncGenerator<Buffer, void, undefined> {
  for (let at = range.start; at <= range.end; ) {
    const length = Math.min(CHUNK, range.end + 1 - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) throw new Error(`blob ends after ${at} bytes`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function fileContent(file: FileHandle): Promise<BlobContent> {
  const { size } = await file.stat();
  return { size, chunks: (range) => readFrom(file, range), [Symbol.asyncDispose]: () => file.close() };
}
