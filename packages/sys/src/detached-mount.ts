// File systems that are mounted without a place: fsopen(2), fsconfig(2) and fsmount(2) give a descriptor of the root that no mount
// table shows and that goes with its last user (Linux 5.2). The daemon looks into containers' file systems that way.
import { close, closeSync } from 'node:fs';
import { promisify } from 'node:util';
import { bind, check } from './libc.ts';

const cFsopen = bind('long syscall(long, const char*, unsigned int)');
const cFsconfigString = bind('long syscall(long, int, unsigned int, const char*, const char*, int)');
const cFsconfig = bind('long syscall(long, int, unsigned int, const void*, const void*, int)');
const cFsmount = bind('long syscall(long, int, unsigned int, unsigned int)');

/** From 424 on all architectures share one numbering. */
const SYS = { fsopen: 430, fsconfig: 431, fsmount: 432 };
const CLOEXEC = 1;
const SET_FLAG = 0;
const SET_STRING = 1;
const CREATE = 6;
/** Of an option's value, with its zero byte (fs/fsopen.c). */
const LONGEST_VALUE = 256;
const MOUNT_ATTR = { RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8 };

/** With the last descriptor of an overlay that was written to, the kernel writes all of its file system to the disk: `await using`. */
export interface Detached extends Disposable, AsyncDisposable {
  /** A directory descriptor of the root. */
  readonly fd: number;
}

/** Held until it is disposed of; asynchronously, a thread of the pool closes it. */
export function heldDescriptor(fd: number): Detached {
  return { fd, [Symbol.dispose]: () => closeSync(fd), [Symbol.asyncDispose]: () => promisify(close)(fd) };
}

/** An overlay of `lower`, topmost first, with `upper` on top when it is to be written to. */
export function detachedOverlay(layers: {
  lower: readonly string[];
  upper?: string;
  work?: string;
  options?: readonly string[];
  /** Programs in it may be run. */
  executable?: boolean;
  /** Their setuid bits count. */
  setuid?: boolean;
}): Detached {
  const context = check(cFsopen(SYS.fsopen, 'overlay', CLOEXEC), 'fsopen', 'overlay');
  try {
    const set = (key: string, value: string) =>
      check(cFsconfigString(SYS.fsconfig, context, SET_STRING, key, value, 0), 'fsconfig', key, value);
    const together = layers.lower.join(':');
    const plain = layers.lower.every((directory) => !/[:\\]/.test(directory));
    if (plain && Buffer.byteLength(together) < LONGEST_VALUE) set('lowerdir', together);
    // One call a layer (Linux 6.5).
    else for (const directory of layers.lower) set('lowerdir+', directory);
    if (layers.upper !== undefined && layers.work !== undefined) {
      set('upperdir', layers.upper);
      set('workdir', layers.work);
    } else {
      check(cFsconfigString(SYS.fsconfig, context, SET_FLAG, 'ro', null, 0), 'fsconfig', 'ro');
    }
    for (const option of layers.options ?? []) {
      const cut = option.indexOf('=');
      if (cut < 0) check(cFsconfigString(SYS.fsconfig, context, SET_FLAG, option, null, 0), 'fsconfig', option);
      else set(option.slice(0, cut), option.slice(cut + 1));
    }
    check(cFsconfig(SYS.fsconfig, context, CREATE, null, null, 0), 'fsconfig', 'create overlay');
    const attributes =
      MOUNT_ATTR.NODEV |
      (layers.setuid ? 0 : MOUNT_ATTR.NOSUID) |
      (layers.executable ? 0 : MOUNT_ATTR.NOEXEC) |
      (layers.upper === undefined ? MOUNT_ATTR.RDONLY : 0);
    return heldDescriptor(check(cFsmount(SYS.fsmount, context, CLOEXEC, attributes), 'fsmount', 'overlay'));
  } finally {
    closeSync(context);
  }
}

const cOpenTree = bind('long syscall(long, int, const char*, unsigned int)');
const cMoveMount = bind('long syscall(long, int, const char*, int, const char*, unsigned int)');
const cMountSetattr = bind('long syscall(long, int, const char*, unsigned int, void*, size_t)');
const OPEN_TREE_CLONE = 1;
const AT_FDCWD = -100;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const MS_PRIVATE = 1n << 18n;
const O_CLOEXEC = 0o2000000;
const FROM_EMPTY_PATH = 0x04;
const TO_EMPTY_PATH = 0x40;

/** The tree at `source` once more, detached, and private: what is mounted in it is not seen at `source` even where that is shared. */
export function detachedClone(source: string): Detached {
  const fd = check(cOpenTree(428, AT_FDCWD, source, OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC), 'open_tree', source);
  try {
    // struct mount_attr: attributes to set, to clear, propagation, user namespace.
    const attributes = new BigUint64Array([0n, 0n, MS_PRIVATE, 0n]);
    check(cMountSetattr(442, fd, '', AT_EMPTY_PATH | AT_RECURSIVE, attributes, attributes.byteLength), 'mount_setattr', source);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return heldDescriptor(fd);
}

/**
 * Mounts what lies at `source` (a path of this mount namespace, with what is mounted below it) over `target`, a descriptor inside a
 * detached file system. Throws EINVAL where the kernel cannot do that: before Linux 6.15.
 */
export function attachDetached(source: string, target: number): void {
  using tree = detachedClone(source);
  check(cMoveMount(429, tree.fd, '', target, '', FROM_EMPTY_PATH | TO_EMPTY_PATH), 'move_mount', source);
}
