// File system calls on names as bytes, for archives: a tar's names need not be UTF-8. A name is a "byte string": each character is
// one byte ('latin1'). Hot code: these functions do not throw, they return a negative errno, and they allocate nothing.
import { deviceNumber } from './device-number.ts';
import { bind, errno } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const cOpenat2 = bind('long syscall(long, int, const uint8_t*, void*, size_t)');
const cOpenat = bind('int openat(int, const uint8_t*, int, unsigned int)');
const cMkdirat = bind('int mkdirat(int, const uint8_t*, unsigned int)');
const cMknodat = bind('int mknodat(int, const uint8_t*, unsigned int, uint64_t)');
const cSymlinkat = bind('int symlinkat(const uint8_t*, int, const uint8_t*)');
const cLinkat = bind('int linkat(int, const uint8_t*, int, const uint8_t*, int)');
const cUnlinkat = bind('int unlinkat(int, const uint8_t*, int)');
const cReadlinkat = bind('int64_t readlinkat(int, const uint8_t*, void*, size_t)');
const cFchownat = bind('int fchownat(int, const uint8_t*, unsigned int, unsigned int, int)');
const cFchmodat = bind('int fchmodat(int, const uint8_t*, unsigned int, int)');
const cUtimensat = bind('int utimensat(int, const uint8_t*, void*, int)');
const cStatx = bind('int statx(int, const uint8_t*, int, unsigned int, void*)');
const cClose = bind('int close(int)');
const cSetxattr = bind('int lsetxattr(const uint8_t*, const uint8_t*, const void*, size_t, int)');
const cGetxattr = bind('int64_t lgetxattr(const uint8_t*, const uint8_t*, void*, size_t)');
const cListxattr = bind('int64_t llistxattr(const uint8_t*, void*, size_t)');
const cSyncfs = bind('int syncfs(int)');

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const STATX_BASIC_STATS = 0x7ff;
const PATH_MAX = 4096;
const O_CLOEXEC = 0o2000000;

const first = Buffer.alloc(PATH_MAX * 2);
const second = Buffer.alloc(PATH_MAX * 2);
const ENAMETOOLONG = 36;

/** Writes a name as a C string; false when no kernel would take it, or when it holds a NUL and would be cut. */
function encode(buffer: Buffer, name: string): boolean {
  if (name.length >= PATH_MAX || name.includes('\0')) return false;
  buffer[buffer.write(name, 0, 'latin1')] = 0;
  return true;
}

const outcome = (result: number): number => (result < 0 ? -errno() : result);
const encodable = (name: string): boolean => encode(first, name);

const how = new BigUint64Array(3);
const howBytes = new Uint8Array(how.buffer);

/** Opens a path as if `root` were the root directory, however its symbolic links point. Close-on-exec. */
export function openInRoot(root: number, path: string, flags: number): number {
  if (!encodable(path)) return -ENAMETOOLONG;
  how[0] = BigInt(flags | O_CLOEXEC);
  how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  // EAGAIN: something was renamed meanwhile, and the kernel could not be sure that the root was not left.
  for (let attempt = 0; ; attempt++) {
    const fd = outcome(Number(cOpenat2(SYSCALL.openat2, root, first, howBytes, 24)));
    if (fd !== -11 || attempt === 32) return fd;
  }
}

/** openat(2): `name` in an open directory. A close-on-exec descriptor, or a negative errno. */
export function openAt(directory: number, name: string, flags: number, mode = 0): number {
  return encodable(name) ? outcome(cOpenat(directory, first, flags | O_CLOEXEC, mode)) : -ENAMETOOLONG;
}

/** close(2); what goes wrong there is nobody's concern. */
export function closeFd(fd: number): void {
  cClose(fd);
}

/** mkdirat(2); -EEXIST when something is there. The umask takes its part of `mode`. */
export function mkdirAt(directory: number, name: string, mode: number): number {
  return encodable(name) ? outcome(cMkdirat(directory, first, mode)) : -ENAMETOOLONG;
}

/** `mode` includes the type: S_IFCHR, S_IFBLK or S_IFIFO. */
export function mknodAt(directory: number, name: string, mode: number, major: number, minor: number): number {
  return encodable(name) ? outcome(cMknodat(directory, first, mode, deviceNumber(major, minor))) : -ENAMETOOLONG;
}

/** symlinkat(2): `name` in the directory becomes a link that says `target`, which nobody looks at. */
export function symlinkAt(target: string, directory: number, name: string): number {
  return encodable(target) && encode(second, name) ? outcome(cSymlinkat(first, directory, second)) : -ENAMETOOLONG;
}

/** Does not follow a symbolic link: the link itself gets the second name. */
export function linkAt(fromDirectory: number, from: string, toDirectory: number, to: string): number {
  return encodable(from) && encode(second, to) ? outcome(cLinkat(fromDirectory, first, toDirectory, second, 0)) : -ENAMETOOLONG;
}

/** unlinkat(2) of anything but a directory. */
export function unlinkAt(directory: number, name: string): number {
  return encodable(name) ? outcome(cUnlinkat(directory, first, 0)) : -ENAMETOOLONG;
}

/** unlinkat(2) of an empty directory. */
export function rmdirAt(directory: number, name: string): number {
  return encodable(name) ? outcome(cUnlinkat(directory, first, AT_REMOVEDIR)) : -ENAMETOOLONG;
}

/** What a symbolic link says; -EINVAL when `name` is none. */
export function readlinkAt(directory: number, name: string): string | number {
  if (!encodable(name)) return -ENAMETOOLONG;
  const length = outcome(Number(cReadlinkat(directory, first, second, PATH_MAX)));
  return length < 0 ? length : second.toString('latin1', 0, length);
}

/** Of the link itself where `name` is one. -1 leaves an id as it is. */
export function chownAt(directory: number, name: string, uid: number, gid: number): number {
  return encodable(name) ? outcome(cFchownat(directory, first, uid, gid, AT_SYMLINK_NOFOLLOW)) : -ENAMETOOLONG;
}

/** Follows a symbolic link (the kernel has no other mode): only for names that are known to be none. */
export function chmodAt(directory: number, name: string, mode: number): number {
  return encodable(name) ? outcome(cFchmodat(directory, first, mode, 0)) : -ENAMETOOLONG;
}

const times = new BigInt64Array(4);
const timesBytes = new Uint8Array(times.buffer);

/** Access and modification time both become `seconds` and `nanoseconds`. */
export function setTimeAt(directory: number, name: string, seconds: number, nanoseconds: number): number {
  if (!encodable(name)) return -ENAMETOOLONG;
  times[0] = times[2] = BigInt(seconds);
  times[1] = times[3] = BigInt(nanoseconds);
  return outcome(cUtimensat(directory, first, timesBytes, AT_SYMLINK_NOFOLLOW));
}

export interface FileStat {
  /** Type and permissions, as st_mode. */
  mode: number;
  links: number;
  uid: number;
  gid: number;
  /** `<device>:<inode>`. */
  inode: string;
  size: number;
  /** Modification time. */
  seconds: number;
  nanoseconds: number;
  /** Of a device node. */
  major: number;
  minor: number;
}

const statBuffer = Buffer.alloc(256);

/** lstat; a negative errno when it fails. statx, because its layout is the same on every architecture. */
export function statAt(directory: number, name: string): FileStat | number {
  if (!encodable(name)) return -ENAMETOOLONG;
  const result = outcome(cStatx(directory, first, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, statBuffer));
  if (result < 0) return result;
  return {
    mode: statBuffer.readUInt16LE(28),
    links: statBuffer.readUInt32LE(16),
    uid: statBuffer.readUInt32LE(20),
    gid: statBuffer.readUInt32LE(24),
    inode: `${statBuffer.readUInt32LE(136)}.${statBuffer.readUInt32LE(140)}:${statBuffer.readBigUInt64LE(32)}`,
    size: Number(statBuffer.readBigUInt64LE(40)),
    seconds: Number(statBuffer.readBigInt64LE(112)),
    nanoseconds: statBuffer.readUInt32LE(120),
    major: statBuffer.readUInt32LE(128),
    minor: statBuffer.readUInt32LE(132),
  };
}

/** Extended attributes by path through /proc: the l*xattr calls are the only ones that reach symbolic links and device nodes. */
function viaProc(directory: number, name: string): string {
  return `/proc/self/fd/${directory}/${name}`;
}

/** Sets an extended attribute (setxattr(2)), of the link itself where `name` is one; -ENOTSUP where the file system has none. */
export function setXattrAt(directory: number, name: string, attribute: string, value: Uint8Array): number {
  if (!encodable(viaProc(directory, name)) || !encode(second, attribute)) return -ENAMETOOLONG;
  return outcome(cSetxattr(first, second, value, value.length, 0));
}

/** An extended attribute's value, of the link itself where `name` is one; -ENODATA when there is none of that name. */
export function getXattrAt(directory: number, name: string, attribute: string): Buffer | number {
  if (!encodable(viaProc(directory, name)) || !encode(second, attribute)) return -ENAMETOOLONG;
  const length = outcome(Number(cGetxattr(first, second, null, 0)));
  if (length < 0) return length;
  const value = Buffer.alloc(length);
  const got = outcome(Number(cGetxattr(first, second, value, length)));
  return got < 0 ? got : value.subarray(0, got);
}

/** Names of the attributes; none where the file system has no such thing. */
export function listXattrAt(directory: number, name: string): string[] {
  if (!encodable(viaProc(directory, name))) return [];
  const length = Number(cListxattr(first, null, 0));
  if (length <= 0) return [];
  const names = Buffer.alloc(length);
  const got = Number(cListxattr(first, names, length));
  return got <= 0 ? [] : names.toString('latin1', 0, got).split('\0').filter(Boolean);
}

/** Writes the file system of `fd` out to its device. */
export function syncFileSystem(fd: number): number {
  return outcome(cSyncfs(fd));
}
