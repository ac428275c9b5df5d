// A directory that nothing below it may lead out of, and descriptors of the directories in it. openat2(RESOLVE_IN_ROOT) has the kernel
// end every symbolic link inside the root; what is done in a directory is then done by plain name, on its descriptor.
import { constants, readdirSync } from 'node:fs';
import { closeFd, openAt, openInRoot, rmdirAt, unlinkAt } from '@berth/sys/byte-path';
import { failure } from './call-failure.ts';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const ENOENT = -2;

/** Members come directory by directory: few descriptors serve nearly all of them. */
const CACHED_DIRECTORIES = 128;

export class RootDirectory implements Disposable {
  readonly fd: number;
  readonly #directories = new Map<string, number>();
  readonly #stale: number[] = [];

  constructor(path: string) {
    const bytes = Buffer.from(path).toString('latin1');
    this.fd = openAt(AT_FDCWD, bytes, O_PATH | O_DIRECTORY);
    if (this.fd < 0) throw failure('open directory', bytes, this.fd);
  }

  /** A descriptor of the directory at `path`, or the negative errno. It is this object's: good until `settle`. */
  find(path: string): number {
    if (path === '') return this.fd;
    const cached = this.#directories.get(path);
    if (cached !== undefined) return cached;
    const fd = openInRoot(this.fd, path, O_PATH | O_DIRECTORY);
    if (fd < 0) return fd;
    if (this.#directories.size >= CACHED_DIRECTORIES) this.#forget();
    this.#directories.set(path, fd);
    return fd;
  }

  /** Closes descriptors that are not up to date any more: to be called when none is in use. */
  settle(): void {
    for (const fd of this.#stale.splice(0)) closeFd(fd);
  }

  /** Removes `name` with all that is in it; that there is no such thing is fine. Links are removed, not followed. */
  removeTree(directory: number, name: string): void {
    const unlinked = unlinkAt(directory, name);
    // It may have been a link on the way to a cached directory.
    this.#forget();
    if (unlinked === 0 || unlinked === ENOENT) return;
    const fd = openAt(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw failure('remove', name, unlinked);
    for (const child of namesOf(fd)) this.removeTree(fd, child);
    closeFd(fd);
    const removed = rmdirAt(directory, name);
    if (removed < 0 && removed !== ENOENT) throw failure('rmdir', name, removed);
  }

  /** Descriptors stay open until `settle`: the member at hand may be using them. */
  #forget(): void {
    if (this.#directories.size === 0) return;
    this.#stale.push(...this.#directories.values());
    this.#directories.clear();
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.settle();
    closeFd(this.fd);
  }
}

/** The names in a directory, as byte strings. */
export function namesOf(directory: number): string[] {
  return readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' as BufferEncoding });
}
