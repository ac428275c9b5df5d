// Places an archive's members below a root that they must not leave: build contexts, COPY and ADD, `cp` into containers, volumes that
// are imported. (Layers, which have whiteouts, go through LayerWriter.)
//
// The root may be a running container's, whose processes rearrange it meanwhile. So the directory of a member is opened by openat2 with
// RESOLVE_IN_ROOT, the member is made in it by plain name, and whatever could follow a link is done on a descriptor of the member itself:
// who swaps directories or files for links gains nothing (CVE-2018-15664). Names are byte strings (one character a byte).
import { chmodSync, constants, fchmodSync, fchownSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { type TarEntry, toText } from '@berth/oci/tar/entry';
import type { TarSink } from '@berth/oci/tar/reader';
import {
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
import { isDirectory, namesIn } from './tree-walk.ts';

const { O_DIRECTORY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, S_IFMT, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO } = constants;
const O_PATH = 0o10000000;
const ENOENT = -2;
const EEXIST = -17;
const ENOTSUP = -95;
const EPERM = -1;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface TreeWriterOptions {
  /** A directory below the root that names count from; made when missing. */
  base?: string;
  /** Instead of the owner that each entry has. */
  owner?: Owner;
  /** Instead of the mode that each entry has. */
  mode?: number;
  /** Refuse to put a directory in the place of something else, or the other way round. */
  keepKinds?: boolean;
  /** A directory takes the place of a link to one, instead of going through it. */
  replaceLinks?: boolean;
  /** The base itself gets what the archive says of `.`. */
  baseToo?: boolean;
  /** Device files are refused: the host's users could open them. */
  noDevices?: boolean;
}

export class TreeWriter implements TarSink, Disposable {
  readonly #root: number;
  readonly #base: string;
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
    this.#base = options.base ?? '';
  }

  /** Makes a member; the bytes of a file follow with data() and end(). */
  entry(entry: TarEntry): void {
    this.#entry = undefined;
    const relative = normalName(entry.name);
    const path = joinPaths(this.#base, relative);
    this.#path = path;
    if (relative === '') {
      if (this.#options.baseToo && entry.type === 'directory') this.#baseItself(entry);
      return;
    }
    const parent = this.directory(directoryOf(path));
    const name = baseOf(path);
    if (this.#options.keepKinds) this.#checkKind(parent, name, entry);
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
        this.#link(parent, name, joinPaths(this.#base, normalName(entry.linkName)));
        return;
      default: {
        if (this.#options.noDevices && entry.type !== 'fifo')
          throw refusal(`the archive holds the device ${shown(entry.name)}: volumes take none`);
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
    this.#attributes(this.directory(directoryOf(this.#path)), baseOf(this.#path), this.#entry);
    closeFd(this.#file);
    this.#file = -1;
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
      const fd = openInRoot(this.#root, path || '.', O_PATH | O_DIRECTORY);
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
      const parent = this.directory(directoryOf(path));
      const name = baseOf(path);
      const made = mkdirAt(parent, name, 0o755);
      // A dangling link: what it points to is not ours to invent.
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

  #baseItself(entry: TarEntry): void {
    this.#attributes(this.directory(this.#base), '.', entry);
    this.#directoryTimes.set(this.#base, entry);
  }

  #makeDirectory(parent: number, name: string, entry: TarEntry): void {
    const make = () => mkdirAt(parent, name, 0o755);
    const made = make();
    if (made === EEXIST) {
      const stat = statAt(parent, name);
      if (typeof stat === 'number' || !isDirectory(stat)) {
        if (!this.#options.replaceLinks && this.#leadsToDirectory()) return;
        this.#make(parent, name, make);
      }
    } else if (made < 0) {
      throw failure('mkdir', this.#path, made);
    }
    this.#attributes(parent, name, entry);
    this.#directoryTimes.set(this.#path, entry);
  }

  /** A link to a directory serves as one and keeps what it has. */
  #leadsToDirectory(): boolean {
    const fd = openInRoot(this.#root, this.#path, O_PATH | O_DIRECTORY);
    if (fd >= 0) closeFd(fd);
    return fd >= 0;
  }

  #link(parent: number, name: string, target: string): void {
    if (target === this.#path) return;
    const from = openInRoot(this.#root, directoryOf(target) || '.', O_PATH | O_DIRECTORY);
    if (from < 0) throw failure(`link to ${toText(target)}`, this.#path, from);
    try {
      this.#make(parent, name, () => linkAt(from, baseOf(target), parent, name));
    } finally {
      closeFd(from);
    }
  }

  #checkKind(parent: number, name: string, entry: TarEntry): void {
    const there = statAt(parent, name);
    if (typeof there === 'number') return;
    const [was, becomes] = [isDirectory(there), entry.type === 'directory'];
    if (was === becomes) return;
    const kind = (directory: boolean) => (directory ? 'directory' : 'non-directory');
    throw refusal(`cannot overwrite ${kind(was)} "/${toText(this.#path)}" with ${kind(becomes)} "${toText(entry.name)}"`);
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

  /** Owner first: changing it clears set-id bits and capabilities. A file's go through its descriptor. */
  #attributes(parent: number, name: string, entry: TarEntry): void {
    const { uid, gid } = this.#options.owner ?? entry;
    const mode = (this.#options.mode ?? entry.mode) & 0o7777;
    if (this.#file >= 0) fchownSync(this.#file, uid, gid);
    else this.#expect(chownAt(parent, name, uid, gid), `chown ${uid}:${gid}`);
    for (const [attribute, value] of entry.xattrs ?? []) {
      // overlayfs' own attributes are instructions to the kernel.
      if (/^(trusted|user)\.overlay\./.test(attribute)) continue;
      const set = setXattrAt(parent, name, attribute, value);
      if (set !== ENOTSUP && set !== EPERM) this.#expect(set, `set ${attribute} of`);
    }
    if (this.#file >= 0) fchmodSync(this.#file, mode);
    else if (entry.type !== 'symlink') this.#changeMode(parent, name, mode);
    if (entry.type !== 'directory') this.#expect(setTimeAt(parent, name, entry.seconds, entry.nanoseconds), 'set time of');
  }

  #changeMode(parent: number, name: string, mode: number): void {
    const fd = openAt(parent, name, O_PATH | O_NOFOLLOW);
    this.#expect(fd, 'open');
    try {
      // A link that was put in its place meanwhile has no mode, and is not followed.
      if ((fstatSync(fd).mode & S_IFMT) !== S_IFLNK) chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeFd(fd);
    }
  }

  #expect(result: number, call: string): void {
    if (result < 0) throw failure(call, this.#path, result);
  }
}

/** Links are removed, never followed; that it is gone already is fine. */
function removeTree(parent: number, name: string): void {
  const removed = unlinkAt(parent, name);
  if (removed >= 0 || removed === ENOENT) return;
  const fd = openAt(parent, name, O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) throw failure('remove', name, removed);
  try {
    for (const child of namesIn(fd)) removeTree(fd, child);
  } finally {
    closeFd(fd);
  }
  const gone = rmdirAt(parent, name);
  if (gone < 0 && gone !== ENOENT) throw failure('remove', name, gone);
}

export function joinPaths(base: string, path: string): string {
  return base === '' ? path : path === '' ? base : `${base}/${path}`;
}

function shown(name: string): string {
  return JSON.stringify(toText(name));
}

function refusal(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'lifecycle' });
}
