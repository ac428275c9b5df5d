// Copies a directory tree with owners, modes, times, attributes, devices and hard links: the native snapshotter's work. Runs in an
// unpack worker. File data is cloned where the filesystem can, else copied by the kernel (copy_file_range).
import { constants, copyFileSync } from 'node:fs';
import type { TarEntry } from '@berth/oci/tar/entry';
import { closeFd, openAt, statAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';
import { LayerWriter } from './layer-writer.ts';
import { entryOf, HardLinks, openDirectory, walk } from './tree-walk.ts';

const ALL = { keepsXattr: () => true };
const { O_RDONLY, O_NOFOLLOW, COPYFILE_FICLONE } = constants;

export interface CopyJob {
  kind: 'copy';
  from: string;
  /** Exists; what it holds is kept where the source has nothing of that name. */
  to: string;
}

export function copyTree(job: CopyJob, signal: AbortSignal): void {
  const source = openDirectory(job.from);
  try {
    using writer = new LayerWriter(job.to, 'remove');
    const links = new HardLinks();
    writer.entry(rootEntry(source), true);
    for (const member of walk(source)) {
      signal.throwIfAborted();
      const entry = entryOf(member, ALL);
      if (!entry) continue;
      const linked = links.note(entry, member.stat);
      writer.entry(linked, true);
      if (linked.type === 'file' && linked.size > 0) copyData(member.directory, member.name, writer.file);
      writer.end();
    }
    writer.finish();
  } finally {
    closeFd(source);
  }
}

function rootEntry(directory: number): TarEntry {
  const stat = statAt(directory, '.');
  if (typeof stat === 'number') throw failure('stat', '.', stat);
  return entryOf({ path: '', name: '.', directory, stat }, ALL) as TarEntry;
}

function copyData(directory: number, name: string, target: number): void {
  const fd = openAt(directory, name, O_RDONLY | O_NOFOLLOW);
  if (fd < 0) throw failure('open', name, fd);
  try {
    copyFileSync(`/proc/self/fd/${fd}`, `/proc/self/fd/${target}`, COPYFILE_FICLONE);
  } finally {
    closeFd(fd);
  }
}
