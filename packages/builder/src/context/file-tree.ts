// A tree of files that COPY reads from: the build context, or the files of an image or stage.
//
// Runs in the daemon. Paths are byte strings relative to the root; the first step into the tree is resolved by the kernel inside
// that root, below it only real directories are entered.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, createReadStream, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { globPattern, type IgnorePatterns } from '@berth/api/ignore-patterns';
import { EngineError } from '@berth/errdefs/engine-error';
import { failure } from '@berth/lifecycle/diff/call-failure';
import { baseOf, directoryOf, normalName } from '@berth/lifecycle/diff/member-name';
import { joinPaths } from '@berth/lifecycle/diff/tree-writer';
import { Turn } from '@berth/lifecycle/diff/turn';
import { type TarEntry, type TarEntryType, tarEntry, toBytes, toText } from '@berth/oci/tar/entry';
import { closeFd, type FileStat, getXattrAt, listXattrAt, openInRoot, readlinkAt, statAt } from '@berth/sys/byte-path';

const { S_IFMT, S_IFDIR, S_IFREG, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const O_PATH = 0o10000000;
const TYPES = new Map<number, TarEntryType>([
  [S_IFDIR, 'directory'],
  [S_IFREG, 'file'],
  [S_IFLNK, 'symlink'],
  [S_IFBLK, 'block'],
  [S_IFCHR, 'character'],
  [S_IFIFO, 'fifo'],
]);
/** Files up to this size are read at once; longer ones must not hold up the event loop. */
const SMALL = 256 << 10;
const MAX_LINKS = 40;

/** A file of the tree with what COPY needs of it. Its `entry.name` counts from the source that it was found under. */
export interface TreeFile {
  path: string;
  entry: TarEntry;
  inode: string;
}

export class FileTree {
  /** Descriptor of the root directory; the caller's. */
  readonly fd: number;
  readonly #ignore: IgnorePatterns | undefined;

  constructor(fd: number, ignore?: IgnorePatterns) {
    this.fd = fd;
    this.#ignore = ignore && !ignore.empty ? ignore : undefined;
  }

  /** Paths that a source of COPY means: one without wildcards is taken as it is. Ignored files are not there. */
  find(source: string): string[] {
    const pattern = normalName(toBytes(source));
    if (!/[*?[]/.test(pattern)) return this.stat(pattern) === undefined ? [] : [pattern];
    const matcher = new RegExp(`^${globPattern(pattern)}$`, 's');
    const depth = pattern.split('/').length;
    return [...this.#names('', depth)].filter((path) => matcher.test(path));
  }

  /** What is at a path, its last symbolic link followed inside the root; undefined when nothing is, or when it is ignored. */
  stat(path: string): FileStat | undefined {
    const real = this.resolve(path);
    if (real === undefined || this.#ignored(real)) return undefined;
    const stat = this.#lstat(real);
    return typeof stat === 'number' ? undefined : stat;
  }

  /** The path without symbolic links; undefined when it leads nowhere. */
  resolve(path: string): string | undefined {
    const done: string[] = [];
    const todo = path.split('/').filter(Boolean);
    for (let links = 0; todo.length > 0; ) {
      const part = todo.shift() ?? '';
      if (part === '.' || part === '') continue;
      if (part === '..') {
        done.pop();
        continue;
      }
      const here = [...done, part].join('/');
      const stat = this.#lstat(here);
      if (typeof stat === 'number') return undefined;
      if ((stat.mode & S_IFMT) !== S_IFLNK) {
        done.push(part);
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      const target = this.#within(here, (fd, name) => readlinkAt(fd, name));
      if (typeof target === 'number') return undefined;
      // An absolute link starts again at this root, not at the host's.
      if (target.startsWith('/')) done.length = 0;
      todo.unshift(...target.split('/').filter(Boolean));
    }
    return done.join('/');
  }

  /** The file at a path, or everything in the directory there, parents first. `exclude` counts from the source. */
  *walk(path: string, exclude?: IgnorePatterns): Generator<TreeFile> {
    const real = this.resolve(path) ?? path;
    const stat = this.#lstat(real);
    if (typeof stat === 'number') throw failure('stat', path, stat);
    if ((stat.mode & S_IFMT) !== S_IFDIR) {
      yield this.#file(real, baseOf(path) || baseOf(real), stat);
      return;
    }
    yield* this.#below(real, '', exclude);
  }

  isDirectory(path: string): boolean {
    const stat = this.stat(path);
    return stat !== undefined && (stat.mode & S_IFMT) === S_IFDIR;
  }

  /** The text of a regular file; undefined when there is none. */
  readText(path: string): string | undefined {
    const real = this.resolve(path);
    const stat = real === undefined ? -1 : this.#lstat(real);
    if (real === undefined || typeof stat === 'number' || (stat.mode & S_IFMT) !== S_IFREG) return undefined;
    return this.withFile(real, (fd) => readFileSync(fd, 'utf8'));
  }

  /** The first bytes of a file. */
  readStart(path: string, size: number): Buffer {
    return this.withFile(path, (fd) => {
      const buffer = Buffer.alloc(size);
      return buffer.subarray(0, readSync(fd, buffer, 0, size, 0));
    });
  }

  withFile<T>(path: string, use: (fd: number) => T): T {
    const fd = openInRoot(this.fd, path, O_RDONLY);
    if (fd < 0) throw failure('open', path, fd);
    try {
      return use(fd);
    } finally {
      closeFd(fd);
    }
  }

  /** A descriptor for reading; the caller's to close. */
  open(path: string): number {
    const fd = openInRoot(this.fd, path, O_RDONLY);
    if (fd < 0) throw failure('open', path, fd);
    return fd;
  }

  /** Adds a file's bytes to a hash. */
  async hashInto(path: string, size: number, hash: Hash): Promise<void> {
    const fd = this.open(path);
    if (size <= SMALL) {
      try {
        hash.update(readFileSync(fd));
      } finally {
        closeFd(fd);
      }
      return;
    }
    for await (const chunk of createReadStream('', { fd, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  }

  *#below(directory: string, prefix: string, exclude: IgnorePatterns | undefined): Generator<TreeFile> {
    for (const name of this.#list(directory)) {
      const path = joinPaths(directory, name);
      const relative = joinPaths(prefix, name);
      const stat = this.#lstat(path);
      if (typeof stat === 'number') throw failure('stat', path, stat);
      const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
      const hidden = this.#ignored(path) || (exclude?.ignores(toText(relative)) ?? false);
      if (!hidden) yield this.#file(path, relative, stat);
      if (isDirectory && (!hidden || this.#ignore?.mayHoldExceptions(toText(path)) || exclude?.mayHoldExceptions(toText(relative)))) {
        yield* this.#below(path, relative, exclude);
      }
    }
  }

  *#names(directory: string, depth: number): Generator<string> {
    if (depth === 0) return;
    for (const name of this.#list(directory)) {
      const path = joinPaths(directory, name);
      const stat = this.#lstat(path);
      if (typeof stat === 'number') continue;
      if (!this.#ignored(path)) yield path;
      if ((stat.mode & S_IFMT) === S_IFDIR) yield* this.#names(path, depth - 1);
    }
  }

  #ignored(path: string): boolean {
    return path !== '' && (this.#ignore?.ignores(toText(path)) ?? false);
  }

  #list(directory: string): string[] {
    const fd = openInRoot(this.fd, directory || '.', O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw failure('open', directory, fd);
    try {
      return readdirSync(`/proc/self/fd/${fd}`, 'latin1').sort();
    } finally {
      closeFd(fd);
    }
  }

  #file(path: string, name: string, stat: FileStat): TreeFile {
    const type = TYPES.get(stat.mode & S_IFMT);
    // A socket has no meaning outside of the process that listens on it.
    if (type === undefined) throw new EngineError('InvalidArgument', `cannot copy ${toText(path)}: it is a socket`, { layer: 'builder' });
    const link = type === 'symlink' ? this.#within(path, (fd, base) => readlinkAt(fd, base)) : '';
    const xattrs = type === 'file' || type === 'directory' ? this.#xattrs(path) : undefined;
    const entry = tarEntry({
      type,
      name,
      linkName: typeof link === 'string' ? link : '',
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: type === 'file' ? stat.size : 0,
      seconds: stat.seconds,
      nanoseconds: stat.nanoseconds,
      major: stat.major,
      minor: stat.minor,
      xattrs,
    });
    return { path, entry, inode: stat.links > 1 && type === 'file' ? stat.inode : '' };
  }

  /** Those that belong to the file; overlay's own and the host's labels stay behind. */
  #xattrs(path: string): Map<string, Buffer> | undefined {
    const found = this.#within(path, (fd, name) =>
      listXattrAt(fd, name)
        .filter((attribute) => attribute === 'security.capability' || attribute.startsWith('user.'))
        .flatMap((attribute) => {
          const value = getXattrAt(fd, name, attribute);
          return typeof value === 'number' ? [] : [[attribute, value] as const];
        }),
    );
    return typeof found === 'number' || found.length === 0 ? undefined : new Map(found);
  }

  #lstat(path: string): FileStat | number {
    if (path === '') return statAt(this.fd, '.');
    return this.#within(path, (fd, name) => statAt(fd, name));
  }

  /** Acts on a member through its directory's descriptor. */
  #within<T>(path: string, act: (directory: number, name: string) => T): T | number {
    const fd = openInRoot(this.fd, directoryOf(path) || '.', O_PATH | O_DIRECTORY);
    if (fd < 0) return fd;
    try {
      return act(fd, baseOf(path));
    } finally {
      closeFd(fd);
    }
  }
}

/** A tree from a directory of the host; closes its descriptor when disposed of. */
export class DirectoryTree extends FileTree {
  constructor(path: string, ignore?: IgnorePatterns) {
    super(openSync(path, O_RDONLY | O_DIRECTORY), ignore);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** What a set of files is, for the cache: names, kinds, modes, links and bytes, but no times; owners only where they are kept. */
export async function checksum(tree: FileTree, files: Iterable<TreeFile>, options: { owners: boolean }): Promise<string> {
  const hash = createHash('sha256');
  const turn = new Turn();
  for (const { path, entry } of files) {
    if (turn.over) await turn.next();
    const { type, name, linkName, mode, uid, gid, size, major, minor } = entry;
    const attributes = [...(entry.xattrs ?? [])].map(([attribute, value]) => [attribute, value.toString('base64')]);
    hash.update(`${JSON.stringify([type, name, linkName, mode, options.owners ? [uid, gid] : [], size, major, minor, attributes])}\n`);
    if (type === 'file') await tree.hashInto(path, size, hash);
  }
  return hash.digest('hex');
}
