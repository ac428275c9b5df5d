// Members of an archive one after another, for readers that wait between them: each member's data is an async iterable, read or left.
// Bulk unpacking uses reader.ts itself, which never waits.
import { Buffer } from 'node:buffer';
import type { TarEntry } from './entry.ts';
import { TarReader } from './reader.ts';

export interface TarMember {
  readonly entry: TarEntry;
  /** The member's bytes; valid until the next member is asked for. */
  readonly data: AsyncIterable<Buffer>;
}

type Part = { kind: 'entry'; entry: TarEntry } | { kind: 'data'; bytes: Buffer } | { kind: 'end' };

/** The archive's chunks are kept until their data is read: a source must not use them again. */
export async function* tarMembers(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember, void, undefined> {
  const parts = partsOf(archive);
  for (let part = await parts.next(); !part.done; part = await parts.next()) {
    if (part.value.kind !== 'entry') continue;
    const data = dataOf(parts);
    yield { entry: part.value.entry, data };
    for await (const _rest of data);
  }
}

/** One member's data, up to its end; asking again after the end gives nothing more. */
function dataOf(parts: AsyncGenerator<Part>): AsyncIterableIterator<Buffer> {
  let ended = false;
  const iterator: AsyncIterableIterator<Buffer> = {
    async next() {
      if (ended) return { done: true, value: undefined };
      const part = await parts.next();
      if (!part.done && part.value.kind === 'data') return { done: false, value: part.value.bytes };
      ended = true;
      return { done: true, value: undefined };
    },
    // A reader that stops early leaves the rest to be skipped, not the archive to be closed.
    async return() {
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

async function* partsOf(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Part, void, undefined> {
  let queue: Part[] = [];
  const reader = new TarReader({
    entry: (entry) => queue.push({ kind: 'entry', entry }),
    // A view of the archive's own chunk, which a stream hands over for good.
    data: (chunk) => queue.push({ kind: 'data', bytes: chunk }),
    end: () => queue.push({ kind: 'end' }),
  });
  for await (const chunk of archive) {
    reader.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const ready = queue;
    queue = [];
    yield* ready;
  }
  reader.finish();
  yield* queue;
}
