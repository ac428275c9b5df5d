// Files of a container as a tar stream. Each step goes from a directory's descriptor to a name in it and follows no link, so a process
// that rearranges the tree meanwhile cannot lead the reader out of it. Nothing of the container is executed or loaded
// (CVE-2019-14271): the archive is written here.
import { constants, read as readCallback } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineError } from '@berth/errdefs/engine-error';
import { failure } from '@berth/lifecycle/diff/call-failure';
import { entryOf, HardLinks, keepsXattr, namesIn } from '@berth/lifecycle/diff/tree-walk';
import { toText } from '@berth/oci/tar/entry';
import { tarEnd, tarHeader, tarPadding } from '@berth/oci/tar/writer';
import { closeFd, type FileStat, openAt, statAt } from '@berth/sys/byte-path';
import { fileSystemType, O } from '@berth/sys/path';

const read = promisify(readCallback);
const { S_IFMT, S_IFDIR } = constants;
const CHUNK = 256 << 10;
/** Members after which the daemon's other requests get their turn. */
const TURN = 64;

/** proc, sysfs, cgroup, cgroup2, devpts, mqueue: what the kernel makes up while it is read is no content (linux/magic.h). */
const PSEUDO = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x19800202]);

export interface PackedTree {
  /** A descriptor, and a name in that directory ('.' for itself), a byte string. */
  readonly directory: number;
  readonly name: string;
  readonly stat: FileStat;
  /** What the archive calls it, a byte string: `etc`, `.`, or '' for a root. Undefined: only what is in it, by its own names. */
  readonly as: string | undefined;
}

/** The archive's bytes, end mark included. */
export async function* packTree(tree: PackedTree): AsyncGenerator<Buffer> {
  const links = new HardLinks();
  if ((tree.stat.mode & S_IFMT) !== S_IFDIR) {
    const header = headerOf(tree.directory, tree.name, tree.as ?? tree.name, tree.stat, links);
    if (!header) throw new EngineError('InvalidArgument', `${toText(tree.name)} is a socket: no archive can hold it`, { layer: 'daemon' });
    yield* member(tree.directory, tree.name, header);
  } else {
    yield* directoryMembers(tree.directory, tree.name, tree.as, tree.stat, links);
  }
  yield tarEnd();
}

async function* directoryMembers(
  parent: number,
  name: string,
  as: string | undefined,
  stat: FileStat,
  links: HardLinks,
): AsyncGenerator<Buffer> {
  const header = as === undefined ? undefined : headerOf(parent, name, as, stat, links);
  if (header) yield tarHeader(header);
  const directory = openAt(parent, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  // It may have been removed or replaced since it was seen.
  if (directory < 0) return;
  try {
    if (PSEUDO.has(fileSystemType(directory))) return;
    for (const [position, child] of namesIn(directory).entries()) {
      if (position % TURN === TURN - 1) await setImmediate();
      const inner = statAt(directory, child);
      if (typeof inner === 'number') continue;
      const path = as === undefined ? child : `${as}/${child}`;
      if ((inner.mode & S_IFMT) === S_IFDIR) yield* directoryMembers(directory, child, path, inner, links);
      else {
        const entry = headerOf(directory, child, path, inner, links);
        if (entry) yield* member(directory, child, entry);
      }
    }
  } finally {
    closeFd(directory);
  }
}

type Header = NonNullable<ReturnType<typeof entryOf>>;

function headerOf(directory: number, name: string, path: string, stat: FileStat, links: HardLinks): Header | undefined {
  const entry = entryOf({ directory, name, path, stat }, { keepsXattr });
  return entry && links.note(entry, stat);
}

async function* member(directory: number, name: string, entry: Header): AsyncGenerator<Buffer> {
  if (entry.type !== 'file' || entry.size === 0) {
    yield tarHeader(entry);
    return;
  }
  const fd = openAt(directory, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK);
  if (fd === -2) return;
  if (fd < 0) throw failure('open', name, fd);
  try {
    yield tarHeader(entry);
    // Exactly as many bytes as the header says, whatever happens to the file meanwhile: what was cut off is zeros.
    for (let left = entry.size; left > 0; ) {
      const chunk = Buffer.alloc(Math.min(CHUNK, left));
      const { bytesRead } = await read(fd, chunk, 0, chunk.length, null);
      const bytes = bytesRead === 0 ? chunk : chunk.subarray(0, bytesRead);
      left -= bytes.length;
      yield bytes;
    }
    yield tarPadding(entry.size);
  } finally {
    closeFd(fd);
  }
}
