// An archive's members into a directory of a container that may be running, or of a volume. Who waits for the daemon meanwhile gets a
// turn after every few members.
import { setImmediate } from 'node:timers/promises';
import { normalName } from '@berth/lifecycle/diff/member-name';
import { TreeWriter, type TreeWriterOptions } from '@berth/lifecycle/diff/tree-writer';
import { toBytes } from '@berth/oci/tar/entry';
import { TarReader } from '@berth/oci/tar/reader';

/** Bytes that are unpacked in one turn. */
const PIECE = 64 << 10;

/** `root` is a descriptor, `target` the path of a directory below it. */
export async function extractTree(
  archive: AsyncIterable<Uint8Array>,
  root: number,
  target: string,
  options: Omit<TreeWriterOptions, 'base'>,
): Promise<void> {
  using writer = new TreeWriter(root, { ...options, base: normalName(toBytes(target)), replaceLinks: true });
  const reader = new TarReader(writer);
  for await (const chunk of archive) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE) {
      reader.push(bytes.subarray(at, at + PIECE));
      await setImmediate();
    }
  }
  reader.finish();
  writer.finish();
}
