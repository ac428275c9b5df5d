// Unpacks a layer's members below a directory that they must not leave. Runs in an unpack worker, synchronously: each member is a
// handful of system calls on descriptors.
//
// Safety: names are normalised first (a name that climbs out is refused); the directory of a member is then opened by
// openat2(RESOLVE_IN_ROOT), so that the kernel itself keeps symbolic links of the layer inside the root; and the member is made in it
// by name with O_EXCL, never followed. What stood there is unlinked, not opened. Directories' descriptors are cached, and the cache
// is dropped whenever a directory or link goes away.
//
// Deletions (image-spec layer.md, "Whiteouts"): overlayfs keeps them as 0/0 character devices and the attribute
// trusted.overlay.opaque (Documentation/filesystems/overlayfs.rst); elsewhere the files are removed.
import { constants, ftruncateSync, readdirSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { TarEntry } from '@berth/oci/tar/entry';
import { toText } from '@berth/oci/tar/entry';
import type { TarSink } from '@berth/oci/tar/reader';
import {
  chmodAt,
  chownAt,
  closeFd,
  linkAt,
  mkdirAt,
  mknodAt,
  openAt,
  openInRoot,
  rmdirAt,
  setTimeAt,
  setXattrAt,
  statAt,
  symlinkAt,
  unlinkAt,
} from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';
import { baseOf, directoryOf, normalName } from './member-name.ts';

export type WhiteoutMode = 'overlay' | 'user-overlay' | 'remove';

const { O_DIRECTORY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO } = constants;
const O_PATH = 0o10000000;
const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;
const ENOTSUP = -95;
const EPERM = -1;

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** AUFS kept its own records in the layers of its time. */
const AUFS_PREFIX = '.wh..wh.';
const CACHED_DIRECTORIES = 128;

export class LayerWriter implements TarSink {
  readonly #root: number;
  readonly #mode: WhiteoutMode;
  readonly #opaqueName: string;
  readonly #directories = new Map<string, number>();
  readonly #stale: number[] = [];
  /** Directories whose time is set in the end, because making their members changes it. */
  readonly #times = new Map<string, { seconds: number; nanoseconds: number }>();
  readonly #implicit = new Set<string>();
  /** What this layer brought; only needed where deletions are real. */
  readonly #unpacked: Set<string> | undefined;
  /** A directory with the setgid bit gives its group to new members: then even root's own files need a chown. */
  #inheritedGroups: boolean;
  #entry: TarEntry | undefined;
  #path = '';
  #parent = -1;
  #file = -1;
  #written = 0;

  constructor(root: string, mode: WhiteoutMode) {
    const fd = openAt(-100, Buffer.from(root).toString('latin1'), O_PATH | O_DIRECTORY);
    if (fd < 0) throw failure('open', root, fd);
    this.#root = fd;
    this.#mode = mode;
    this.#opaqueName = mode === 'user-overlay' ? 'user.overlay.opaque' : 'trusted.overlay.opaque';
    this.#unpacked = mode === 'remove' ? new Set() : undefined;
    this.#inheritedGroups = mode === 'remove';
  }

  /** Directories that were used and not listed, parents first. */
  get implicitDirectories(): string[] {
    return [...this.#implicit];
  }

  /** `literal` takes names as they are: copying a tree knows no whiteouts. */
  entry(entry: TarEntry, literal = false): void {
    if (this.#stale.length > 0) this.#closeStale();
    this.#entry = entry;
    const path = normalName(entry.name);
    this.#path = path;
    if (path === '') {
      this.#entry = entry.type === 'directory' ? entry : undefined;
      if (this.#entry) this.#directoryAttributes(this.#root, entry, '');
      return;
    }
    const base = baseOf(path);
    if (!literal && base.startsWith(WHITEOUT_PREFIX)) {
      this.#entry = undefined;
      this.#whiteout(directoryOf(path), base);
      return;
    }
    this.#parent = this.#directory(directoryOf(path));
    this.#unpacked?.add(path);
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(path, base, entry);
        return;
      case 'file':
        this.#file = this.#create(base, () => openAt(this.#parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777));
        this.#written = 0;
        return;
      case 'symlink':
        this.#create(base, () => symlinkAt(entry.linkName, this.#parent, base));
        this.#attributes(base, entry);
        return;
      case 'hardlink':
        this.#link(base, entry);
        return;
      case 'character':
      case 'block':
      case 'fifo': {
        const type = entry.type === 'fifo' ? S_IFIFO : entry.type === 'block' ? S_IFBLK : S_IFCHR;
        this.#create(base, () => mknodAt(this.#parent, base, type | (entry.mode & 0o777), entry.major, entry.minor));
        this.#attributes(base, entry);
        return;
      }
    }
  }

  data(chunk: Buffer, offset: number): void {
    if (this.#file < 0) return;
    for (let done = 0; done < chunk.length; )
      done += writeSync(this.#file, chunk, done, chunk.length - done, this.#written === offset ? null : offset + done);
    this.#written = offset + chunk.length;
  }

  end(): void {
    if (this.#file < 0 || !this.#entry) return;
    const entry = this.#entry;
    // A sparse file may end in a hole.
    if (this.#written < entry.size) ftruncateSync(this.#file, entry.size);
    closeFd(this.#file);
    this.#file = -1;
    this.#attributes(baseOf(this.#path), entry);
  }

  /** Sets the directories' times; after it nothing more is written. */
  finish(): void {
    for (const [path, { seconds, nanoseconds }] of this.#times) {
      const fd = path === '' ? this.#root : openInRoot(this.#root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      if (fd < 0) continue;
      setTimeAt(fd, '.', seconds, nanoseconds);
      if (fd !== this.#root) closeFd(fd);
    }
  }

  /** The descriptor of the file being written. */
  get file(): number {
    return this.#file;
  }

  /** The root's descriptor, while the writer is open. */
  get root(): number {
    return this.#root;
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeFd(this.#file);
    this.#file = -1;
    this.#forget();
    this.#closeStale();
    closeFd(this.#root);
  }

  /** The descriptors stay open until the next member: the current one may be using them. */
  #forget(): void {
    this.#stale.push(...this.#directories.values());
    this.#directories.clear();
  }

  #closeStale(): void {
    for (const fd of this.#stale.splice(0)) closeFd(fd);
  }

  /** A descriptor of a directory below the root; makes it and those above it where they are missing. */
  #directory(path: string): number {
    if (path === '') return this.#root;
    const cached = this.#directories.get(path);
    if (cached !== undefined) return cached;
    let fd = openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
    if (fd === ENOENT || (fd === ENOTDIR && this.#mode !== 'remove')) {
      this.#makeImplicit(path);
      fd = openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
    }
    if (fd < 0) throw failure('open directory', path, fd);
    if (this.#directories.size >= CACHED_DIRECTORIES) this.#forget();
    this.#directories.set(path, fd);
    return fd;
  }

  #makeImplicit(path: string): void {
    const parent = this.#directory(directoryOf(path));
    const base = baseOf(path);
    const made = mkdirAt(parent, base, 0o755);
    if (made === EEXIST && this.#isWhiteout(parent, base)) {
      unlinkAt(parent, base);
      if (mkdirAt(parent, base, 0o755) === 0) this.#makeOpaque(parent, base);
    } else if (made === 0) {
      this.#implicit.add(path);
      this.#unpacked?.add(path);
    } else if (made !== EEXIST) throw failure('mkdir', path, made);
  }

  /** Runs a call that makes `base`; where something is in the way, that is removed first. */
  #create(base: string, make: () => number): number {
    let result = make();
    if (result === EEXIST) {
      this.#removeTree(this.#parent, base);
      result = make();
    }
    if (result < 0) throw failure(`create ${this.#entry?.type}`, this.#path, result);
    return result;
  }

  #makeDirectory(path: string, base: string, entry: TarEntry): void {
    const made = mkdirAt(this.#parent, base, entry.mode & 0o777);
    if (made === EEXIST) {
      const stat = statAt(this.#parent, base);
      if (typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFDIR) {
        const hidesLower = this.#isWhiteout(this.#parent, base);
        this.#create(base, () => mkdirAt(this.#parent, base, entry.mode & 0o777));
        // The layer deletes what was there and then makes it anew: nothing below may shine through.
        if (hidesLower) this.#makeOpaque(this.#parent, base);
      } else {
        const changed = chmodAt(this.#parent, base, entry.mode & 0o7777);
        if (changed < 0) throw failure('chmod', path, changed);
      }
    } else if (made < 0) throw failure('mkdir', path, made);
    this.#implicit.delete(path);
    this.#attributes(base, entry);
    this.#times.set(path, { seconds: entry.seconds, nanoseconds: entry.nanoseconds });
  }

  #directoryAttributes(fd: number, entry: TarEntry, path: string): void {
    const owned = chownAt(fd, '.', entry.uid, entry.gid);
    if (owned < 0) throw failure('chown', path, owned);
    const changed = chmodAt(fd, '.', entry.mode & 0o7777);
    if (changed < 0) throw failure('chmod', path, changed);
    if (entry.mode & 0o2000) this.#inheritedGroups = true;
    this.#xattrs(fd, '.', entry);
    this.#times.set(path, { seconds: entry.seconds, nanoseconds: entry.nanoseconds });
  }

  #link(base: string, entry: TarEntry): void {
    const target = normalName(entry.linkName);
    const from = openInRoot(this.#root, directoryOf(target) || '.', O_PATH | O_DIRECTORY);
    if (from < 0 || target === '') throw failure(`hard link to ${toText(entry.linkName)}`, this.#path, from);
    try {
      // A link to itself must not remove itself first.
      if (target === this.#path) return;
      this.#create(base, () => linkAt(from, baseOf(target), this.#parent, base));
    } finally {
      closeFd(from);
    }
  }

  /** Owner, mode, attributes and time of a new member, in the order in which the kernel does not undo the one with the other. */
  #attributes(base: string, entry: TarEntry): void {
    if (entry.uid !== 0 || entry.gid !== 0 || this.#inheritedGroups) {
      const owned = chownAt(this.#parent, base, entry.uid, entry.gid);
      if (owned < 0) throw failure(`chown ${entry.uid}:${entry.gid}`, this.#path, owned);
    }
    if (entry.mode & 0o7000 && entry.type !== 'symlink') {
      const changed = chmodAt(this.#parent, base, entry.mode & 0o7777);
      if (changed < 0) throw failure('chmod', this.#path, changed);
      if (entry.type === 'directory' && entry.mode & 0o2000) this.#inheritedGroups = true;
    }
    if (entry.xattrs) this.#xattrs(this.#parent, base, entry);
    if (entry.type !== 'directory') {
      const timed = setTimeAt(this.#parent, base, entry.seconds, entry.nanoseconds);
      if (timed < 0) throw failure('set time', this.#path, timed);
    }
  }

  #xattrs(directory: number, base: string, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs ?? []) {
      // overlayfs' own attributes are instructions to the kernel: an image must not give them.
      if (/^(trusted|user)\.overlay\./.test(name)) continue;
      const result = setXattrAt(directory, base, name, value);
      // user.* needs a regular file or directory, trusted.* privileges, anything at all a file system that has attributes.
      if (result === ENOTSUP || (result === EPERM && !name.startsWith('security.'))) continue;
      if (result < 0) throw failure(`set attribute ${name}`, this.#path, result);
    }
  }

  #whiteout(directory: string, base: string): void {
    if (base === OPAQUE) {
      if (this.#mode === 'remove') this.#removeLower(directory);
      else this.#makeOpaque(this.#directory(directory), '.');
      return;
    }
    if (base.startsWith(AUFS_PREFIX)) return;
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') {
      throw new EngineError('InvalidArgument', `layer holds an invalid whiteout name: ${JSON.stringify(toText(this.#path))}`, {
        layer: 'lifecycle',
      });
    }
    const path = directory === '' ? name : `${directory}/${name}`;
    if (this.#mode === 'remove') {
      const parent = openInRoot(this.#root, directory || '.', O_PATH | O_DIRECTORY);
      if (parent < 0) return;
      if (this.#unpacked?.has(path)) this.#removeLower(path);
      else this.#removeTree(parent, name);
      closeFd(parent);
      return;
    }
    const parent = this.#directory(directory);
    const made = mknodAt(parent, name, S_IFCHR, 0, 0);
    if (made === EEXIST) {
      // This layer brought the name as well: a file hides the lower one anyway, a directory has to be told to.
      const stat = statAt(parent, name);
      if (typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFDIR) this.#makeOpaque(parent, name);
    } else if (made < 0) throw failure('make whiteout', path, made);
  }

  #isWhiteout(directory: number, base: string): boolean {
    const stat = statAt(directory, base);
    return this.#mode !== 'remove' && typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFCHR && stat.major === 0 && stat.minor === 0;
  }

  #makeOpaque(directory: number, base: string): void {
    const result = setXattrAt(directory, base, this.#opaqueName, Buffer.from('y'));
    if (result < 0) throw failure(`set attribute ${this.#opaqueName}`, this.#path, result);
  }

  /** Removes what a directory holds of lower layers: everything that this layer did not bring. */
  #removeLower(path: string): void {
    const fd = openInRoot(this.#root, path || '.', O_PATH | O_DIRECTORY);
    if (fd < 0) return;
    for (const name of names(fd)) {
      const member = path === '' ? name : `${path}/${name}`;
      if (!this.#unpacked?.has(member)) this.#removeTree(fd, name);
      else this.#removeLower(member);
    }
    closeFd(fd);
  }

  #removeTree(directory: number, name: string): void {
    const unlinked = unlinkAt(directory, name);
    if (unlinked === 0) this.#forget();
    if (unlinked === 0 || unlinked === ENOENT) return;
    const fd = openAt(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw failure('remove', name, unlinked);
    for (const child of names(fd)) this.#removeTree(fd, child);
    closeFd(fd);
    const removed = rmdirAt(directory, name);
    if (removed < 0 && removed !== ENOENT) throw failure('rmdir', name, removed);
    this.#forget();
  }
}

/** The names in a directory, as byte strings. */
function names(fd: number): string[] {
  return readdirSync(`/proc/self/fd/${fd}`, { encoding: 'latin1' as BufferEncoding });
}
