// An archive's members into a directory, for processes that serve others meanwhile: build contexts and what ADD unpacks, files copied into
// containers, volumes that are imported.
import { TarReader } from '@berth/oci/tar/reader';
import { TreeWriter, type TreeWriterOptions } from './tree-writer.ts';
import { Turn } from './turn.ts';

/** Bytes between two looks at the clock: a few small members. */
const PIECE = 4 << 10;

/** `chunks` are of a plain archive, `root` is a directory descriptor. */
export async function placeArchive(
  chunks: AsyncIterable<Uint8Array>,
  root: number,
  options: TreeWriterOptions & { signal?: AbortSignal } = {},
): Promise<void> {
  using writer = new TreeWriter(root, options);
  const reader = new TarReader(writer);
  const turn = new Turn();
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE) {
      options.signal?.throwIfAborted();
      reader.push(bytes.subarray(at, at + PIECE));
      if (turn.over) await turn.next();
    }
  }
  reader.finish();
  writer.finish();
}
