// Makes files in one tree that are described one by one and have their bytes in another (COPY of a build). Runs in an unpack worker, or in
// the process itself in turns. File data is cloned where the file system can, else copied by the kernel (copy_file_range).
import { constants, copyFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { TarEntry } from '@berth/oci/tar/entry';
import { closeFd, openInRoot } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';
import { TreeWriter, type TreeWriterOptions } from './tree-writer.ts';
import { Turn } from './turn.ts';

export interface MembersJob {
  kind: 'members';
  /** Descriptors of the two roots; threads share descriptors. */
  source: number;
  root: number;
  options: TreeWriterOptions;
  /** Made first, if it is missing; below `root`. */
  directory: string | undefined;
}

export interface CopiedMember {
  /** Where a file's bytes are, below the source; a byte string. */
  path: string;
  /** What is made. */
  entry: TarEntry;
}

/** Files up to this size are copied at once, others by another thread still. */
const SMALL = 256 << 10;

export async function copyMembers(
  { source, root, options, directory }: Omit<MembersJob, 'kind'>,
  members: AsyncIterable<CopiedMember> | Iterable<CopiedMember>,
  signal?: AbortSignal,
): Promise<void> {
  using writer = new TreeWriter(root, options);
  if (directory !== undefined) writer.directory(directory);
  const turn = new Turn();
  for await (const { path, entry } of members) {
    signal?.throwIfAborted();
    if (turn.over) await turn.next();
    writer.entry(entry);
    if (entry.type !== 'file') continue;
    await copyBytes(source, path, writer.file, entry.size);
    writer.wrote(entry.size);
    writer.end();
  }
  writer.finish();
}

async function copyBytes(source: number, path: string, target: number, size: number): Promise<void> {
  const fd = openInRoot(source, path, constants.O_RDONLY);
  if (fd < 0) throw failure('open', path, fd);
  try {
    const [from, to] = [`/proc/self/fd/${fd}`, `/proc/self/fd/${target}`];
    if (size <= SMALL) copyFileSync(from, to);
    else await copyFile(from, to);
  } finally {
    closeFd(fd);
  }
}

/** Members as a worker's input, some at a time. */
export async function* encodeMembers(members: AsyncIterable<CopiedMember>): AsyncGenerator<Uint8Array> {
  const held: unknown[] = [];
  const encoded = () => Buffer.from(JSON.stringify(held.splice(0)));
  for await (const { path, entry } of members) {
    held.push({
      path,
      entry: { ...entry, xattrs: entry.xattrs && [...entry.xattrs].map(([name, value]) => [name, value.toString('latin1')]) },
    });
    if (held.length >= BATCH) yield encoded();
  }
  if (held.length > 0) yield encoded();
}

const BATCH = 128;

export async function* decodeMembers(input: AsyncIterable<Uint8Array>): AsyncGenerator<CopiedMember> {
  for await (const bytes of input) {
    const members = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as {
      path: string;
      entry: Omit<TarEntry, 'xattrs'> & { xattrs?: [string, string][] };
    }[];
    for (const { path, entry } of members) {
      const xattrs = entry.xattrs && new Map(entry.xattrs.map(([name, value]) => [name, Buffer.from(value, 'latin1')]));
      yield { path, entry: { ...entry, xattrs } };
    }
  }
}
