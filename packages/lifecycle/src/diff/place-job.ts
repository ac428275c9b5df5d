// Makes an archive's members below a root, as its bytes come. Runs in an unpack worker, or in the process itself, which serves others
// meanwhile and therefore does it in turns.
import { TarReader } from '@berth/oci/tar/reader';
import { TreeWriter, type TreeWriterOptions } from './tree-writer.ts';
import { Turn } from './turn.ts';

export interface PlaceJob {
  kind: 'place';
  /** Descriptor of the root directory; threads share descriptors. */
  root: number;
  options: TreeWriterOptions;
}

/** Bytes between two looks at the clock: a few small members. */
const PIECE = 4 << 10;

/** `chunks` are of a plain archive. */
export async function placeMembers(
  { root, options }: Omit<PlaceJob, 'kind'>,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  using writer = new TreeWriter(root, options);
  const reader = new TarReader(writer);
  const turn = new Turn();
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE) {
      signal?.throwIfAborted();
      reader.push(bytes.subarray(at, at + PIECE));
      if (turn.over) await turn.next();
    }
  }
  reader.finish();
  writer.finish();
}
