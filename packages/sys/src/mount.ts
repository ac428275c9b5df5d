// Mounts: mount(2) and the newer file-descriptor calls (open_tree, move_mount, mount_setattr: Linux 5.12). A container's mounts are
// attached through descriptors, so that a symbolic link in an image never redirects one.
import { bind, check, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const cMount = bind('int mount(const char*, const char*, const char*, unsigned long, const char*)');
const cUmount2 = bind('int umount2(const char*, int)');
const cPivotRoot = bind('long syscall(long, const char*, const char*)');
const cOpenTree = bind('long syscall(long, int, const char*, unsigned int)');
const cMoveMount = bind('long syscall(long, int, const char*, int, const char*, unsigned int)');
const cMountSetattr = bind('long syscall(long, int, const char*, unsigned int, void*, size_t)');

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  SILENT: 32768,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
  LAZYTIME: 1 << 25,
} as const;

export const MNT_DETACH = 2;

/** Attributes of mount_setattr(2). */
export const ATTR = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  /** The field that holds RELATIME (0), NOATIME or STRICTATIME: cleared as a whole when one of them is set. */
  ATIME_FIELD: 0x70,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x100000,
  NOSYMFOLLOW: 0x200000,
} as const;

const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const AT_FDCWD = -100;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/** What of a mount's data goes into an error: an overlay of many layers fills a page with it. */
const SHOWN_DATA = 200;

/** mount(2). `flags` of MS, `data` as the file system's options, joined by commas. Throws SysError with the arguments, data cut short. */
export function mount(source: string | null, target: string, type: string | null, flags: number, data: string | null = null): void {
  if (cMount(source, target, type, flags, data) === 0) return;
  const shown = data !== null && data.length > SHOWN_DATA ? `${data.slice(0, SHOWN_DATA)}…` : (data ?? '');
  throw sysError('mount', [source ?? '', target, type ?? '', `flags=0x${flags.toString(16)}`, shown]);
}

/** umount2(2). `flags`: 0, or MNT_DETACH, which takes the mount out of sight at once and off when nobody uses it. */
export function umount(target: string, flags = 0): void {
  check(cUmount2(target, flags), 'umount', target);
}

/** With '.' and '.', the caller's working directory becomes the root and the old root is mounted on top of it. */
export function pivotRoot(newRoot: string, putOld: string): void {
  check(cPivotRoot(SYSCALL.pivotRoot, newRoot, putOld), 'pivot_root', newRoot);
}

/** A detached copy of the mount at `path`: what a bind mount attaches. Returns a close-on-exec descriptor. */
export function cloneTree(path: string, options: { recursive: boolean }): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | (options.recursive ? AT_RECURSIVE : 0);
  return check(cOpenTree(SYSCALL.openTree, AT_FDCWD, path, flags), 'open_tree', path);
}

/** Attaches a detached mount on top of what the target descriptor names. */
export function attachTree(tree: number, target: number): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  check(cMoveMount(SYSCALL.moveMount, tree, '', target, '', flags), 'move_mount');
}

export interface MountAttributes {
  /** Bits of ATTR. */
  set?: number;
  clear?: number;
  /** MS.SHARED, MS.SLAVE, MS.PRIVATE or MS.UNBINDABLE. */
  propagation?: number;
  /** A user namespace, with ATTR.IDMAP in `set`. */
  userNamespace?: number;
  recursive?: boolean;
}

/** Changes the mount that a descriptor (of its root) names; flags that are not mentioned stay as they are. */
export function setMountAttributes(mountFd: number, attributes: MountAttributes): void {
  const raw = new BigUint64Array([
    BigInt(attributes.set ?? 0),
    BigInt(attributes.clear ?? 0),
    BigInt(attributes.propagation ?? 0),
    BigInt(attributes.userNamespace ?? 0),
  ]);
  const flags = AT_EMPTY_PATH | (attributes.recursive ? AT_RECURSIVE : 0);
  check(cMountSetattr(SYSCALL.mountSetattr, mountFd, '', flags, raw, raw.byteLength), 'mount_setattr');
}
