// The place in the root file system where something is mounted: found, or made, without ever leaving the root. The image controls
// every name and symbolic link on the way, so each step is resolved by openat2 inside the root (CVE-2021-30465, CVE-2019-16884).
// Runs in init.
import { closeSync, fstatSync } from 'node:fs';
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { errno, errnoName, sysError } from '@berth/sys/libc';
import { mkdirAt, O, openAt, openInRoot, readlinkAt, tryOpenInRoot } from '@berth/sys/path';

const MAX_LINKS = 40;
const NEW_DIRECTORY = 0o755;

export type TargetKind = 'directory' | 'file';

/** An O_PATH descriptor of `path` below `root`; missing directories, and a missing file, are made. */
export function openTarget(root: number, path: string, kind: TargetKind, options: { noSymlinks?: boolean } = {}): number {
  const found = tryOpenInRoot(root, path, O.PATH, options);
  if (found >= 0) return found;
  const name = errnoName(errno());
  if (name === 'ELOOP' && options.noSymlinks)
    throw new EngineError('InvalidArgument', `${path} must be mounted on ordinary ${kind}: there is a symbolic link on the way to it`, {
      layer: 'runtime',
    });
  if (name !== 'ENOENT') throw sysError('openat2', [path]);
  return create(root, path, kind, 0);
}

/** Makes what is missing, walking from the root: an existing part is opened, a dangling link is followed inside the root. */
function create(root: number, path: string, kind: TargetKind, links: number): number {
  if (links > MAX_LINKS) throw new EngineError('InvalidArgument', `${path}: too many levels of symbolic links`, { layer: 'runtime' });
  const parts = posix.resolve('/', path).split('/').filter(Boolean);
  let parent = openInRoot(root, '/', O.PATH | O.DIRECTORY);
  let reached = '';
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    const next = `${reached}/${part}`;
    let fd = tryOpenInRoot(root, next, O.PATH);
    if (fd < 0) {
      if (errnoName(errno()) !== 'ENOENT') throw sysError('openat2', [next]);
      const link = readlinkAt(parent, part);
      if (link !== undefined) {
        closeSync(parent);
        const rest = parts.slice(index + 1).join('/');
        return create(root, posix.join(posix.resolve(reached || '/', link), rest), kind, links + 1);
      }
      if (last && kind === 'file') {
        closeSync(openAt(parent, part, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, NEW_DIRECTORY));
      } else mkdirAt(parent, part, NEW_DIRECTORY);
      fd = openAt(parent, part, O.PATH | O.NOFOLLOW);
    }
    closeSync(parent);
    parent = fd;
    reached = next;
  }
  return parent;
}

/** A directory below the root for writing names into, made when it is missing. */
export function openDirectory(root: number, path: string): number {
  const fd = openTarget(root, path, 'directory');
  if (!fstatSync(fd).isDirectory())
    throw new EngineError('InvalidArgument', `${path} in the root filesystem is not a directory`, { layer: 'runtime' });
  return fd;
}
