// An archive's members into a directory, for processes that serve others meanwhile: build contexts, files copied into containers, volumes
// that are imported. A thread does it: each file is a dozen system calls, any of which may wait for the disk.
import { placeMembers } from './place-job.ts';
import type { TreeWriterOptions } from './tree-writer.ts';
import type { UnpackPool } from './unpack-pool.ts';

/** Bytes that are sooner placed than handed to a thread. */
const LITTLE = 128 << 10;

/** `chunks` are of a plain archive, `root` is a directory descriptor. */
export async function placeArchive(
  threads: UnpackPool,
  chunks: AsyncIterable<Uint8Array>,
  root: number,
  options: TreeWriterOptions = {},
  signal?: AbortSignal,
): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  for (let size = 0; size < LITTLE; ) {
    const { value, done } = await iterator.next();
    if (done) return placeMembers({ root, options }, held, signal);
    held.push(value);
    size += value.length;
  }
  const input = (async function* () {
    yield* held.splice(0);
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  // Whoever sends the archive may take as long as he likes: the last thread is not for him.
  if (threads.free < 2) return placeMembers({ root, options }, input, signal);
  await threads.run<void>({ kind: 'place', root, options }, { input, ...(signal ? { signal } : {}) });
}
