// Unpacks a layer's members below a directory that they must not leave. Runs in an unpack worker, synchronously: each member is a
// handful of system calls on descriptors.
//
// Safety: names are normalised first, and one that climbs out is refused; the directory of a member is opened by RootDirectory, which
// no symbolic link leads out of; the member is made in it by name with O_EXCL, never followed. What stood there is unlinked, not opened.
import { constants, ftruncateSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { type TarEntry, toText } from '@berth/oci/tar/entry';
import type { TarSink } from '@berth/oci/tar/reader';
import { closeFd, linkAt, mkdirAt, mknodAt, openAt, setTimeAt, statAt, symlinkAt, unlinkAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';
import { setAttributes } from './member-attributes.ts';
import { baseOf, directoryOf, normalName } from './member-name.ts';
import { RootDirectory } from './root-directory.ts';
import { OverlayWhiteouts, RemovingWhiteouts, type WhiteoutMode, type Whiteouts } from './whiteouts.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO } = constants;
const ENOENT = -2;
const EEXIST = -17;
const ENOTDIR = -20;

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** AUFS kept its own records in the layers of its time. */
const AUFS_PREFIX = '.wh..wh.';

export class LayerWriter implements TarSink, Disposable {
  readonly #root: RootDirectory;
  readonly #whiteouts: Whiteouts;
  /** Directories whose time is set in the end, because making their members changes it. */
  readonly #times = new Map<string, { seconds: number; nanoseconds: number }>();
  readonly #implicit = new Set<string>();
  /** A directory with the setgid bit gives its group to new members: then even root's own files need a chown. */
  #inheritedGroups: boolean;
  #entry: TarEntry | undefined;
  #path = '';
  #parent = -1;
  #file = -1;
  #written = 0;

  constructor(root: string, mode: WhiteoutMode) {
    this.#root = new RootDirectory(root);
    this.#whiteouts = mode === 'remove' ? new RemovingWhiteouts(this.#root) : new OverlayWhiteouts(mode, (path) => this.#directory(path));
    // Lower layers' directories may be in place.
    this.#inheritedGroups = mode === 'remove';
  }

  /** The root's descriptor, while the writer is open. */
  get root(): number {
    return this.#root.fd;
  }

  /** The descriptor of the file being written. */
  get file(): number {
    return this.#file;
  }

  /** Directories that were used and not listed, parents first. */
  get implicitDirectories(): string[] {
    return [...this.#implicit];
  }

  /** `literal` takes names as they are: copying a tree knows no whiteouts. */
  entry(entry: TarEntry, literal = false): void {
    this.#root.settle();
    this.#entry = entry;
    this.#path = normalName(entry.name);
    const base = baseOf(this.#path);
    if (this.#path === '') this.#rootItself(entry);
    else if (!literal && base.startsWith(WHITEOUT_PREFIX)) this.#whiteout(directoryOf(this.#path), base);
    else {
      this.#parent = this.#directory(directoryOf(this.#path));
      this.#whiteouts.brought(this.#path);
      this.#member(base, entry);
    }
  }

  #member(base: string, entry: TarEntry): void {
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(base, entry);
        break;
      case 'file':
        this.#file = this.#create(base, () => openAt(this.#parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777));
        this.#written = 0;
        break;
      case 'hardlink':
        this.#link(base, entry);
        break;
      case 'symlink':
        this.#create(base, () => symlinkAt(entry.linkName, this.#parent, base));
        this.#attributes(base, entry);
        break;
      case 'character':
      case 'block':
      case 'fifo': {
        const type = entry.type === 'fifo' ? S_IFIFO : entry.type === 'block' ? S_IFBLK : S_IFCHR;
        this.#create(base, () => mknodAt(this.#parent, base, type | (entry.mode & 0o777), entry.major, entry.minor));
        this.#attributes(base, entry);
        break;
      }
    }
  }

  data(chunk: Buffer, offset: number): void {
    if (this.#file < 0) return;
    for (let done = 0; done < chunk.length; ) {
      const position = this.#written === offset ? null : offset + done;
      done += writeSync(this.#file, chunk, done, chunk.length - done, position);
    }
    this.#written = offset + chunk.length;
  }

  end(): void {
    if (this.#file < 0 || !this.#entry) return;
    // A sparse file may end in a hole.
    if (this.#written < this.#entry.size) ftruncateSync(this.#file, this.#entry.size);
    closeFd(this.#file);
    this.#file = -1;
    this.#attributes(baseOf(this.#path), this.#entry);
  }

  /** Sets the directories' times; after it nothing more is written. */
  finish(): void {
    for (const [path, { seconds, nanoseconds }] of this.#times) {
      this.#root.settle();
      const fd = this.#root.find(path);
      if (fd >= 0) setTimeAt(fd, '.', seconds, nanoseconds);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file >= 0) closeFd(this.#file);
    this.#file = -1;
    this.#root[Symbol.dispose]();
  }

  /** A descriptor of a directory below the root; makes it and those above it where they are missing. */
  #directory(path: string): number {
    let fd = this.#root.find(path);
    if (fd === ENOENT || fd === ENOTDIR) {
      this.#makeImplicit(path);
      fd = this.#root.find(path);
    }
    if (fd < 0) throw failure('open directory', path, fd);
    return fd;
  }

  #makeImplicit(path: string): void {
    const parent = this.#directory(directoryOf(path));
    const base = baseOf(path);
    const made = mkdirAt(parent, base, 0o755);
    if (made === 0) {
      this.#implicit.add(path);
      this.#whiteouts.brought(path);
    } else if (made === EEXIST && this.#whiteouts.isMark(parent, base)) {
      unlinkAt(parent, base);
      if (mkdirAt(parent, base, 0o755) === 0) this.#whiteouts.madeAnew(parent, base);
    } else if (made !== EEXIST) throw failure('mkdir', path, made);
  }

  /** Runs a call that makes `base`; where something is in the way, that is removed first. */
  #create(base: string, make: () => number): number {
    let result = make();
    if (result === EEXIST) {
      this.#root.removeTree(this.#parent, base);
      result = make();
    }
    if (result < 0) throw failure(`create ${this.#entry?.type}`, this.#path, result);
    return result;
  }

  #makeDirectory(base: string, entry: TarEntry): void {
    const make = () => mkdirAt(this.#parent, base, entry.mode & 0o777);
    const made = make();
    const stat = made === EEXIST ? statAt(this.#parent, base) : made;
    const stays = typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFDIR;
    if (made === EEXIST && !stays) {
      const deleted = this.#whiteouts.isMark(this.#parent, base);
      this.#create(base, make);
      // The layer deletes what was there and makes it anew: nothing below may shine through.
      if (deleted) this.#whiteouts.madeAnew(this.#parent, base);
    } else if (made < 0 && !stays) throw failure('mkdir', this.#path, made);
    this.#implicit.delete(this.#path);
    this.#attributes(base, entry, stays);
    this.#times.set(this.#path, { seconds: entry.seconds, nanoseconds: entry.nanoseconds });
  }

  #rootItself(entry: TarEntry): void {
    this.#entry = undefined;
    if (entry.type !== 'directory') return;
    setAttributes(this.#root.fd, '.', '/', entry, { owned: true, moded: true });
    if (entry.mode & 0o2000) this.#inheritedGroups = true;
    this.#times.set('', { seconds: entry.seconds, nanoseconds: entry.nanoseconds });
  }

  #link(base: string, entry: TarEntry): void {
    const target = normalName(entry.linkName);
    const from = target === '' ? ENOENT : this.#root.find(directoryOf(target));
    if (from < 0) throw failure(`hard link to ${toText(entry.linkName)}`, this.#path, from);
    // A link to itself must not remove itself first.
    if (target !== this.#path) this.#create(base, () => linkAt(from, baseOf(target), this.#parent, base));
  }

  #attributes(base: string, entry: TarEntry, existed = false): void {
    setAttributes(this.#parent, base, this.#path, entry, { owned: existed || this.#inheritedGroups, moded: existed });
    if (entry.type === 'directory' && entry.mode & 0o2000) this.#inheritedGroups = true;
  }

  #whiteout(directory: string, base: string): void {
    this.#entry = undefined;
    if (base === OPAQUE) {
      this.#whiteouts.hideMembers(directory);
      return;
    }
    if (base.startsWith(AUFS_PREFIX)) return;
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') {
      const shown = JSON.stringify(toText(this.#path));
      throw new EngineError('InvalidArgument', `layer holds an invalid whiteout name: ${shown}`, { layer: 'lifecycle' });
    }
    this.#whiteouts.hide(directory === '' ? name : `${directory}/${name}`);
  }
}
