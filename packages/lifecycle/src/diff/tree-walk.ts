// Reads a directory tree as layer members: depth first, names in byte order, hard links after the first name of their file. The reader
// of compare and copy. Descriptors are held for the directories on the current path only.
import { constants, readdirSync } from 'node:fs';
import { type TarEntry, type TarEntryType, tarEntry } from '@berth/oci/tar/entry';
import { closeFd, type FileStat, getXattrAt, listXattrAt, openAt, readlinkAt, statAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';

const { O_DIRECTORY, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFREG, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO } = constants;
const O_PATH = 0o10000000;

export interface Member {
  /** Path below the root, a byte string. */
  path: string;
  name: string;
  /** Descriptor of the directory that holds it, open while the member is current. */
  directory: number;
  stat: FileStat;
}

const TYPES: Record<number, TarEntryType> = {
  [S_IFDIR]: 'directory',
  [S_IFREG]: 'file',
  [S_IFLNK]: 'symlink',
  [S_IFCHR]: 'character',
  [S_IFBLK]: 'block',
  [S_IFIFO]: 'fifo',
};

export function openDirectory(path: string): number {
  const bytes = Buffer.from(path).toString('latin1');
  const fd = openAt(-100, bytes, O_PATH | O_DIRECTORY);
  if (fd < 0) throw failure('open directory', bytes, fd);
  return fd;
}

/** The names in a directory in byte order, as byte strings. */
export function namesIn(directory: number): string[] {
  return readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' as BufferEncoding }).sort();
}

export function isDirectory(stat: FileStat): boolean {
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** The extended attributes that archives have: file capabilities and the user's own, not the host's labels. */
export function keepsXattr(name: string): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'));
}

/** A file that overlayfs reads as "deleted". */
export function isWhiteout(stat: FileStat): boolean {
  return (stat.mode & S_IFMT) === S_IFCHR && stat.major === 0 && stat.minor === 0;
}

/** The members below `directory`; a directory comes before what it holds. `skip` may leave a directory out with all below. */
export function* walk(directory: number, prefix = ''): Generator<Member> {
  for (const name of namesIn(directory)) {
    const stat = statAt(directory, name);
    if (typeof stat === 'number') continue;
    const path = prefix === '' ? name : `${prefix}/${name}`;
    yield { path, name, directory, stat };
    if (!isDirectory(stat)) continue;
    const child = openAt(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (child < 0) continue;
    try {
      yield* walk(child, path);
    } finally {
      closeFd(child);
    }
  }
}

export interface EntryOptions {
  /** Which extended attributes go along. */
  keepsXattr: (name: string) => boolean;
}

/** The member as an archive has it; undefined for sockets, which no archive can hold. */
export function entryOf(member: Member, options: EntryOptions): TarEntry | undefined {
  const { stat, directory, name, path } = member;
  const type = TYPES[stat.mode & S_IFMT];
  if (type === undefined) return undefined;
  const entry = tarEntry({
    type,
    name: path,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    seconds: stat.seconds,
    nanoseconds: stat.nanoseconds,
  });
  if (type === 'file') entry.size = stat.size;
  else if (type === 'character' || type === 'block') Object.assign(entry, { major: stat.major, minor: stat.minor });
  else if (type === 'symlink') {
    const target = readlinkAt(directory, name);
    if (typeof target === 'number') throw failure('read link', path, target);
    entry.linkName = target;
  }
  for (const attribute of listXattrAt(directory, name)) {
    if (!options.keepsXattr(attribute)) continue;
    const value = getXattrAt(directory, name, attribute);
    if (typeof value === 'number') continue;
    entry.xattrs ??= new Map();
    entry.xattrs.set(attribute, value);
  }
  return entry;
}

/** Turns second names of a file into hard links. */
export class HardLinks {
  readonly #first = new Map<string, string>();

  /** Changes the entry when its file has been seen under another name. */
  note(entry: TarEntry, stat: FileStat): TarEntry {
    if (entry.type === 'directory' || stat.links < 2) return entry;
    const known = this.#first.get(stat.inode);
    if (known === undefined) {
      this.#first.set(stat.inode, entry.name);
      return entry;
    }
    return { ...entry, type: 'hardlink', linkName: known, size: 0, xattrs: undefined };
  }
}
