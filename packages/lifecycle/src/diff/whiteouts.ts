// How deletions in a layer are carried out (image-spec layer.md, "Whiteouts"): as overlayfs' marks in an upper directory, or by removing
// what lower layers left. A deletion is about lower layers only: what the layer itself brings stays, in whichever order it comes.
import { constants } from 'node:fs';
import { closeFd, mknodAt, openAt, setXattrAt, statAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';
import { baseOf, directoryOf } from './member-name.ts';
import { namesOf, type RootDirectory } from './root-directory.ts';

const { O_DIRECTORY, O_NOFOLLOW, S_IFMT, S_IFDIR, S_IFCHR } = constants;
const O_PATH = 0o10000000;
const EEXIST = -17;

export type WhiteoutMode = 'overlay' | 'user-overlay' | 'remove';

export interface Whiteouts {
  /** Lower layers' `path` is deleted. */
  hide(path: string): void;
  /** All that lower layers have in the directory `path` is deleted. */
  hideMembers(path: string): void;
  /** Notes that the layer brought `path` itself. */
  brought(path: string): void;
  /** Whether a name stands for a deletion: it may be replaced by what the layer brings. */
  isMark(directory: number, name: string): boolean;
  /** A directory that this layer first deleted and then made anew. */
  madeAnew(directory: number, name: string): void;
}

/** Marks of overlayfs (Documentation/filesystems/overlayfs.rst): 0/0 character devices, and an attribute on opaque directories. */
export class OverlayWhiteouts implements Whiteouts {
  readonly #attribute: string;
  readonly #directory: (path: string) => number;

  /** `directory` gives a descriptor of a directory and makes it where it is missing. */
  constructor(mode: 'overlay' | 'user-overlay', directory: (path: string) => number) {
    this.#attribute = mode === 'overlay' ? 'trusted.overlay.opaque' : 'user.overlay.opaque';
    this.#directory = directory;
  }

  hide(path: string): void {
    const directory = this.#directory(directoryOf(path));
    const made = mknodAt(directory, baseOf(path), S_IFCHR, 0, 0);
    if (made >= 0) return;
    if (made !== EEXIST) throw failure('make whiteout', path, made);
    // The layer brought the name as well: a file hides the lower one anyway, a directory has to be told to.
    const stat = statAt(directory, baseOf(path));
    if (typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFDIR) this.madeAnew(directory, baseOf(path));
  }

  hideMembers(path: string): void {
    this.madeAnew(this.#directory(path), '.');
  }

  brought(): void {}

  isMark(directory: number, name: string): boolean {
    const stat = statAt(directory, name);
    return typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFCHR && stat.major === 0 && stat.minor === 0;
  }

  madeAnew(directory: number, name: string): void {
    const result = setXattrAt(directory, name, this.#attribute, Buffer.from('y'));
    if (result < 0) throw failure(`set attribute ${this.#attribute}`, name, result);
  }
}

/** Deletions that happen: the directory holds the lower layers' files as well. */
export class RemovingWhiteouts implements Whiteouts {
  readonly #root: RootDirectory;
  readonly #brought = new Set<string>();

  constructor(root: RootDirectory) {
    this.#root = root;
  }

  hide(path: string): void {
    const directory = this.#root.find(directoryOf(path));
    if (directory < 0) return;
    if (this.#brought.has(path)) this.#removeOthers(directory, baseOf(path), path);
    else this.#root.removeTree(directory, baseOf(path));
  }

  hideMembers(path: string): void {
    const directory = this.#root.find(path);
    if (directory >= 0) this.#removeMembers(directory, path);
  }

  brought(path: string): void {
    this.#brought.add(path);
  }

  isMark(): boolean {
    return false;
  }

  madeAnew(): void {}

  #removeMembers(directory: number, path: string): void {
    for (const name of namesOf(directory)) {
      const member = path === '' ? name : `${path}/${name}`;
      if (this.#brought.has(member)) this.#removeOthers(directory, name, member);
      else this.#root.removeTree(directory, name);
    }
  }

  /** Goes into a directory that the layer brought; into a link that it brought, never. */
  #removeOthers(directory: number, name: string, path: string): void {
    const fd = openAt(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return;
    this.#removeMembers(fd, path);
    closeFd(fd);
  }
}
