// Paths below a root that is not to be trusted: openat2(2) with RESOLVE_IN_ROOT makes the kernel resolve every symbolic link and
// `..` inside that root, and refuse /proc's magic links. The *at calls act on descriptors that were found so.
import { deviceNumber } from './device-number.ts';
import { bind, check, errno, errnoName, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const cOpenat2 = bind('long syscall(long, int, const char*, void*, size_t)');
const cOpenat = bind('int openat(int, const char*, int, unsigned int)');
const cMkdirat = bind('int mkdirat(int, const char*, unsigned int)');
const cMknodat = bind('int mknodat(int, const char*, unsigned int, uint64_t)');
const cSymlinkat = bind('int symlinkat(const char*, int, const char*)');
const cUnlinkat = bind('int unlinkat(int, const char*, int)');
const cReadlinkat = bind('int64_t readlinkat(int, const char*, void*, size_t)');
const cFstatfs = bind('int fstatfs(int, void*)');
const cRenameat2 = bind('int renameat2(int, const char*, int, const char*, unsigned int)');
const cGetdents = bind('int64_t getdents64(int, void*, size_t)');
const cFchdir = bind('int fchdir(int)');
const cChdir = bind('int chdir(const char*)');
const cChroot = bind('int chroot(const char*)');
const cAccess = bind('int faccessat(int, const char*, int, int)');
const cDup3 = bind('int dup3(int, int, int)');
const cFcntl = bind('int fcntl(int, int, int)');
const cMkfifo = bind('int mkfifo(const char*, unsigned int)');
const cGetcwd = bind<string | null>('const char* getcwd(void*, size_t)');

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  NONBLOCK: 0o4000,
  // Numbers that arm64 has otherwise.
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
const AT_EACCESS = 0x200;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;

/** Opens `path` as if `root` were the root directory. Descriptors are close-on-exec. */
export function openInRoot(root: number, path: string, flags: number, options: { mode?: number; noSymlinks?: boolean } = {}): number {
  const fd = tryOpenInRoot(root, path, flags, options);
  return check(fd, 'openat2', path);
}

/** The same, but the negative result comes back and errno is the caller's to read. */
export function tryOpenInRoot(root: number, path: string, flags: number, options: { mode?: number; noSymlinks?: boolean } = {}): number {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (options.noSymlinks ? RESOLVE_NO_SYMLINKS : 0);
  const how = new BigUint64Array([BigInt(flags | O.CLOEXEC), BigInt(options.mode ?? 0), BigInt(resolve)]);
  // EAGAIN: something was renamed or mounted meanwhile, and the kernel could not be sure that the root was not left.
  for (let attempt = 0; ; attempt++) {
    const fd = cOpenat2(SYSCALL.openat2, root, path, how, how.byteLength);
    if (fd >= 0 || attempt === 32 || errnoName(errno()) !== 'EAGAIN') return fd;
  }
}

/** openat(2): `name` in an open directory, close-on-exec. Links are followed unless `flags` has O.NOFOLLOW: for plain names only. */
export function openAt(directory: number, name: string, flags: number, mode = 0): number {
  return check(cOpenat(directory, name, flags | O.CLOEXEC, mode), 'openat', name);
}

/** False when it exists already. */
export function mkdirAt(directory: number, name: string, mode: number): boolean {
  if (cMkdirat(directory, name, mode) === 0) return true;
  if (errnoName(errno()) === 'EEXIST') return false;
  check(-1, 'mkdirat', name);
  return false;
}

/** `type` is S_IFCHR, S_IFBLK or S_IFIFO. */
export function mknodAt(directory: number, name: string, type: number, mode: number, major: number, minor: number): void {
  check(cMknodat(directory, name, type | mode, deviceNumber(major, minor)), 'mknodat', name);
}

/** symlinkat(2): `name` in the directory becomes a link that says `target`. EEXIST when something is there. */
export function symlinkAt(target: string, directory: number, name: string): void {
  check(cSymlinkat(target, directory, name), 'symlinkat', target, name);
}

/** unlinkat(2) of anything but a directory. */
export function unlinkAt(directory: number, name: string): void {
  check(cUnlinkat(directory, name, 0), 'unlinkat', name);
}

/** The link's target; undefined when `name` is no symbolic link. */
export function readlinkAt(directory: number, name: string): string | undefined {
  const buffer = Buffer.alloc(4096);
  const length = Number(cReadlinkat(directory, name, buffer, buffer.length));
  return length < 0 ? undefined : buffer.toString('utf8', 0, length);
}

/** The file system's magic number (statfs(2)). */
export function fileSystemType(fd: number): number {
  const buffer = Buffer.alloc(256);
  check(cFstatfs(fd, buffer), 'fstatfs');
  return Number(buffer.readBigInt64LE(0));
}

/** Whether a directory tells the types of its members (d_type of getdents64(2)): file systems without it say 0, "unknown". */
export function tellsTypes(directory: number): boolean {
  const entries = Buffer.alloc(1024);
  const length = check(Number(cGetdents(directory, entries, entries.length)), 'getdents64');
  // struct linux_dirent64: inode, offset, length of this entry at 16, type at 18. The first is `.` or whatever else is there.
  return length === 0 || entries.readUInt8(18) !== 0;
}

export const PROC_SUPER_MAGIC = 0x9fa0;

/** Two paths change places in one step (RENAME_EXCHANGE of rename(2)). False where the file system cannot. */
export function exchange(one: string, other: string): boolean {
  if (cRenameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) === 0) return true;
  if (errnoName(errno()) !== 'EINVAL') check(-1, 'renameat2', one, other);
  return false;
}

/** The directory of a descriptor becomes the working directory, as chdir. */
export function fchdir(fd: number): void {
  check(cFchdir(fd), 'fchdir');
}

/** chdir(2), of which process.cwd() learns nothing: currentDirectory() asks the kernel. */
export function chdir(path: string): void {
  check(cChdir(path), 'chdir', path);
}

/** chroot(2); the working directory stays where it is. */
export function chroot(path: string): void {
  check(cChroot(path), 'chroot', path);
}

/** The working directory; undefined when it lies outside the root, or is removed. */
export function currentDirectory(): string | undefined {
  const buffer = Buffer.alloc(4096);
  const path = cGetcwd(buffer, buffer.length);
  if (path === null && errnoName(errno()) !== 'ENOENT') throw sysError('getcwd');
  // Of a directory outside the kernel says "(unreachable)", which only old C libraries hand on.
  return path?.startsWith('/') ? path : undefined;
}

/** 0 when the effective user may do it, else errno. `mode`: 4 read, 2 write, 1 execute. */
export function accessErrno(path: string, mode: number): number {
  return cAccess(AT_FDCWD, path, mode, AT_EACCESS) === 0 ? 0 : errno();
}

/** `to` becomes a copy of `from`, without close-on-exec. */
export function dup2(from: number, to: number): void {
  if (from === to) setCloseOnExec(to, false);
  else check(cDup3(from, to, 0), 'dup3', from, to);
}

/** A close-on-exec copy with a number of at least `lowest`. */
export function dupAbove(fd: number, lowest: number): number {
  return check(cFcntl(fd, F_DUPFD_CLOEXEC, lowest), 'fcntl', fd);
}

/** Whether the next execve closes the descriptor. */
export function setCloseOnExec(fd: number, on: boolean): void {
  check(cFcntl(fd, F_SETFD, on ? 1 : 0), 'fcntl', fd);
}

/** mkfifo(3); the umask takes its part of `mode`. EEXIST when something is there. */
export function mkfifo(path: string, mode: number): void {
  check(cMkfifo(path, mode), 'mkfifo', path);
}
