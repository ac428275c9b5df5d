// Copies a tree of files as it is: types, owners, modes, times, links between its files. Symbolic links are copied, never followed;
// the paths above the tree are the caller's to have resolved.
import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { mkfifo } from '@berth/sys/path';

export function copyTree(source: string, target: string, links = new Map<number, string>()): void {
  const stats = lstatSync(source);
  const twin = stats.nlink > 1 && !stats.isDirectory() ? links.get(stats.ino) : undefined;
  if (twin !== undefined) {
    linkSync(twin, target);
    return;
  }
  if (!copyOne(source, target, stats, links)) return;
  if (stats.nlink > 1) links.set(stats.ino, target);
  lchownSync(target, stats.uid, stats.gid);
  // After chown, which clears the set-id bits.
  if (!stats.isSymbolicLink()) chmodSync(target, stats.mode & 0o7777);
  lutimesSync(target, stats.atime, stats.mtime);
}

/** False for what is not copied: devices and sockets. */
function copyOne(source: string, target: string, stats: Stats, links: Map<number, string>): boolean {
  if (stats.isDirectory()) {
    mkdirSync(target);
    for (const name of readdirSync(source)) copyTree(join(source, name), join(target, name), links);
  } else if (stats.isSymbolicLink()) {
    symlinkSync(readlinkSync(source), target);
  } else if (stats.isFile()) {
    copyFileSync(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } else if (stats.isFIFO()) {
    mkfifo(target, stats.mode & 0o777);
  } else {
    return false;
  }
  return true;
}
