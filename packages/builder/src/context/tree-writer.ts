// Makes files below a root that they must not leave: the context of a build from its archive, an image's files from COPY and ADD.
//
// Runs in the daemon. Names are byte strings (one character a byte). The directory of a member is opened by openat2 with
// RESOLVE_IN_ROOT, so the kernel keeps symbolic links inside the root; the member itself is made by name, never followed.
import { constants, ftruncateSync, readdirSync, writeSync } from 'node:fs';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { type TarEntry, toText } from '@berth/oci/tar/entry';
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
import { errnoName } from '@berth/sys/libc';

const { O_DIRECTORY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO } = constants;
const O_PATH = 0o10000000;
const ENOENT = -2;
const EEXIST = -17;
const ENOTSUP = -95;
const EPERM = -1;

export interface Owner {
  uid: number;
  gid: number;
}

export interface TreeWriterOptions {
  /** A directory below the root that names count from; made when missing. */
  base?: string;
  /** Instead of the owner that each entry has. */
  owner?: Owner;
  /** Instead of the mode that each entry has. */
  mode?: number;
}

export class TreeWriter implements TarSink {
  readonly #root: number;
  readonly #options: TreeWriterOptions;
  readonly #directoryTimes = new Map<string, TarEntry>();
  #cached: { path: string; fd: number } | undefined;
  #entry: TarEntry | undefined;
  #path = '';
  #file = -1;
  #written = 0;

  /** `root` is a directory descriptor and stays the caller's. */
  constructor(root: number, options: TreeWriterOptions = {}) {
    this.#root = root;
    this.#options = options;
  }

  /** Makes a member; the bytes of a file follow with data() and end(). */
  entry(entry: TarEntry): void {
    this.#entry = undefined;
    const path = join(this.#options.base ?? '', withinRoot(entry.name));
    if (path === '') return;
    this.#path = path;
    const parent = this.directory(parentOf(path));
    const name = baseName(path);
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(parent, name, entry);
        return;
      case 'file':
        this.#file = this.#make(parent, name, () => openAt(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
        this.#entry = entry;
        this.#written = 0;
        return;
      case 'symlink':
        this.#make(parent, name, () => symlinkAt(entry.linkName, parent, name));
        break;
      case 'hardlink':
        this.#link(parent, name, join(this.#options.base ?? '', withinRoot(entry.linkName)));
        return;
      default: {
        const type = entry.type === 'fifo' ? S_IFIFO : entry.type === 'block' ? S_IFBLK : S_IFCHR;
        this.#make(parent, name, () => mknodAt(parent, name, type | 0o600, entry.major, entry.minor));
      }
    }
    this.#attributes(parent, name, entry);
  }

  data(chunk: Buffer, offset: number): void {
    if (this.#file < 0) return;
    for (let done = 0; done < chunk.length; ) done += writeSync(this.#file, chunk, done, chunk.length - done, offset + done);
    this.#written = offset + chunk.length;
  }

  end(): void {
    if (this.#file < 0 || !this.#entry) return;
    if (this.#written < this.#entry.size) ftruncateSync(this.#file, this.#entry.size);
    closeFd(this.#file);
    this.#file = -1;
    this.#attributes(this.directory(parentOf(this.#path)), baseName(this.#path), this.#entry);
  }

  /** While a file is open: its descriptor, for who copies by other means than data(). */
  get file(): number {
    return this.#file;
  }

  /** Says how much was written past this object. */
  wrote(size: number): void {
    this.#written = size;
  }

  /** Directories' times, which making their members has changed. */
  finish(): void {
    for (const [path, entry] of this.#directoryTimes) {
      const fd = openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
      if (fd < 0) continue;
      setTimeAt(fd, '.', entry.seconds, entry.nanoseconds);
      closeFd(fd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeFd(this.#file);
    if (this.#cached) closeFd(this.#cached.fd);
    this.#file = -1;
    this.#cached = undefined;
  }

  /** A descriptor of a directory, made with its parents when missing; valid until the next call. */
  directory(path: string): number {
    if (path === '') return this.#root;
    if (this.#cached?.path === path) return this.#cached.fd;
    let fd = openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
    if (fd === ENOENT) {
      const parent = this.directory(parentOf(path));
      const name = baseName(path);
      // A dangling link: what it points to is not ours to invent.
      const made = mkdirAt(parent, name, 0o755);
      if (made < 0) throw failure('mkdir', path, made);
      const { owner } = this.#options;
      if (owner && (owner.uid !== 0 || owner.gid !== 0)) chownAt(parent, name, owner.uid, owner.gid);
      fd = openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
    }
    if (fd < 0) throw failure('open', path, fd);
    if (this.#cached) closeFd(this.#cached.fd);
    this.#cached = { path, fd };
    return fd;
  }

  #makeDirectory(parent: number, name: string, entry: TarEntry): void {
    const made = mkdirAt(parent, name, 0o755);
    if (made === EEXIST) {
      const fd = openInRoot(this.#root, this.#path, O_PATH | O_DIRECTORY);
      if (fd >= 0) {
        closeFd(fd);
        const stat = statAt(parent, name);
        // A link to a directory serves as one and keeps what it has.
        if (typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFDIR) return;
      } else {
        this.#make(parent, name, () => mkdirAt(parent, name, 0o755));
      }
    } else if (made < 0) {
      throw failure('mkdir', this.#path, made);
    }
    this.#attributes(parent, name, entry);
    this.#directoryTimes.set(this.#path, entry);
  }

  #link(parent: number, name: string, target: string): void {
    if (target === this.#path) return;
    const from = openInRoot(this.#root, parentOf(target) || '.', O_PATH | O_DIRECTORY);
    if (from < 0) throw failure(`link to ${toText(target)}`, this.#path, from);
    try {
      this.#make(parent, name, () => linkAt(from, baseName(target), parent, name));
    } finally {
      closeFd(from);
    }
  }

  /** What is in the way is removed, not opened. */
  #make(parent: number, name: string, call: () => number): number {
    let result = call();
    if (result === EEXIST) {
      removeTree(parent, name);
      result = call();
    }
    if (result < 0) throw failure('create', this.#path, result);
    return result;
  }

  #attributes(parent: number, name: string, entry: TarEntry): void {
    const { uid, gid } = this.#options.owner ?? entry;
    const owned = chownAt(parent, name, uid, gid);
    if (owned < 0) throw failure(`chown ${uid}:${gid}`, this.#path, owned);
    if (entry.type !== 'symlink') {
      const changed = chmodAt(parent, name, (this.#options.mode ?? entry.mode) & 0o7777);
      if (changed < 0) throw failure('chmod', this.#path, changed);
    }
    for (const [attribute, value] of entry.xattrs ?? []) {
      const set = setXattrAt(parent, name, attribute, value);
      if (set < 0 && set !== ENOTSUP && set !== EPERM) throw failure(`set ${attribute} of`, this.#path, set);
    }
    if (entry.type !== 'directory') setTimeAt(parent, name, entry.seconds, entry.nanoseconds);
  }
}

function removeTree(parent: number, name: string): void {
  const removed = unlinkAt(parent, name);
  if (removed >= 0) return;
  const fd = openAt(parent, name, O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) throw failure('remove', name, removed);
  try {
    for (const child of readdirSync(`/proc/self/fd/${fd}`, 'latin1')) removeTree(fd, child);
  } finally {
    closeFd(fd);
  }
  const gone = rmdirAt(parent, name);
  if (gone < 0) throw failure('remove', name, gone);
}

/** `/a/./b/` is `a/b`. A name that climbs out is refused: no honest archive has one. */
export function withinRoot(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) {
      throw new EngineError('InvalidArgument', `the archive holds a name outside of its root: ${JSON.stringify(toText(name))}`, {
        layer: 'builder',
      });
    }
  }
  return parts.join('/');
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function join(base: string, path: string): string {
  return base === '' ? path : path === '' ? base : `${base}/${path}`;
}

export function failure(call: string, path: string, result: number): SysError {
  const code = errnoName(-result);
  const texts: Record<string, string> = {
    ENOENT: 'no such file or directory',
    ENOTDIR: 'not a directory',
    EEXIST: 'file exists',
    ENOSPC: 'no space left on device',
  };
  return new SysError(call, -result, code, texts[code] ?? code, [`/${toText(path)}`]);
}
