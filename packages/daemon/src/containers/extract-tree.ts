// Unpacks a tar stream into a directory of a container. Names are resolved by the kernel inside the container's root, absolute
// and climbing ones included: nothing outside of it can be reached, whatever links the archive or the container holds.
import { closeSync, createWriteStream, fchmodSync, fchownSync, futimesSync, linkSync, lstatSync, lutimesSync, rmSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { chownAt, mkdirAt, mknodAt, O, openAt, openInRoot, symlinkAt, tryOpenInRoot } from '@berth/sys/path';
import { extract, type Header } from 'tar-stream';

export interface ExtractOptions {
  /** Do not put a directory in the place of something else, or the other way round. */
  readonly keepKinds: boolean;
}

const S_IFIFO = 0o010000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** `root` is a descriptor of the container's root; `target` the directory in it. */
export async function extractTree(archive: Readable, root: number, target: string, options: ExtractOptions): Promise<void> {
  const entries = extract();
  const done = pipeline(archive, entries);
  done.catch(() => {});
  try {
    for await (const entry of entries) {
      const name = normalize(join('/', entry.header.name)).replace(/(?<=.)\/$/, '');
      if (name !== '/') {
        const parent = ensureDirectory(root, dirname(join(target, name)));
        try {
          await placeEntry(entry as unknown as Readable, entry.header, { root, parent, base: basename(name), target, options });
        } finally {
          closeSync(parent);
        }
      }
      entry.resume();
    }
    await done;
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('InvalidArgument', `the archive could not be unpacked: ${(cause as Error).message}`, { layer: 'daemon', cause });
  }
}

interface Place {
  readonly root: number;
  readonly parent: number;
  readonly base: string;
  readonly target: string;
  readonly options: ExtractOptions;
}

async function placeEntry(content: Readable, header: Header, place: Place): Promise<void> {
  const { parent, base } = place;
  const path = `/proc/self/fd/${parent}/${base}`;
  const there = lstatSync(path, { throwIfNoEntry: false });
  const isDirectory = header.type === 'directory';
  if (there && place.options.keepKinds && there.isDirectory() !== isDirectory) {
    const kind = isDirectory ? 'directory' : 'non-directory';
    throw new EngineError(
      'InvalidArgument',
      `cannot overwrite ${there.isDirectory() ? 'directory' : 'non-directory'} "${join(place.target, base)}" with ${kind} "${header.name}"`,
      { layer: 'daemon' },
    );
  }
  if (there && !(there.isDirectory() && isDirectory)) rmSync(path, { recursive: true, force: true });
  const { uid = 0, gid = 0, mode = 0o644, mtime = new Date(0) } = header;
  switch (header.type) {
    case 'directory': {
      mkdirAt(parent, base, 0o700);
      const fd = openAt(parent, base, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
      try {
        fchownSync(fd, uid, gid);
        fchmodSync(fd, mode & 0o7777);
      } finally {
        closeSync(fd);
      }
      return;
    }
    case 'symlink':
      symlinkAt(header.linkname ?? '', parent, base);
      chownAt(parent, base, uid, gid);
      lutimesSync(path, mtime, mtime);
      return;
    case 'link': {
      const source = join(place.target, normalize(join('/', header.linkname ?? '')));
      const from = openInRoot(place.root, dirname(source), O.PATH | O.DIRECTORY);
      try {
        linkSync(`/proc/self/fd/${from}/${basename(source)}`, path);
      } finally {
        closeSync(from);
      }
      return;
    }
    case 'fifo':
    case 'character-device':
    case 'block-device': {
      const type = header.type === 'fifo' ? S_IFIFO : header.type === 'block-device' ? S_IFBLK : S_IFCHR;
      mknodAt(parent, base, type, mode & 0o777, header.devmajor ?? 0, header.devminor ?? 0);
      chownAt(parent, base, uid, gid);
      return;
    }
    default: {
      const fd = openAt(parent, base, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
      // An entry without bytes has ended before anybody could listen.
      if (header.size !== 0) await pipeline(content, createWriteStream('', { fd, autoClose: false }));
      fchownSync(fd, uid, gid);
      fchmodSync(fd, mode & 0o7777);
      futimesSync(fd, mtime, mtime);
      closeSync(fd);
    }
  }
}

/** A descriptor of the directory; what is missing of the way to it is made. */
function ensureDirectory(root: number, path: string): number {
  const fd = tryOpenInRoot(root, path, O.PATH | O.DIRECTORY);
  if (fd >= 0) return fd;
  const parent = ensureDirectory(root, dirname(path));
  try {
    mkdirAt(parent, basename(path), 0o755);
  } finally {
    closeSync(parent);
  }
  return openInRoot(root, path, O.PATH | O.DIRECTORY);
}
