// Masked and read-only paths (runtime-spec config-linux.md), and sysctls: what keeps a container from the kernel's own files.
// Runs in init after the change of root, so every path is the container's.
//
// The image may have prepared these paths: /dev/null is checked to be the device before it is mounted over anything (CVE-2025-31133),
// and a write to /proc/sys goes to nothing but a real procfs (CVE-2025-52881).
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { errno, errnoName, sysError } from '@berth/sys/libc';
import { ATTR, attachTree, cloneTree, MS, mount, setMountAttributes } from '@berth/sys/mount';
import { fileSystemType, O, PROC_SUPER_MAGIC, tryOpenInRoot } from '@berth/sys/path';
import { isNullDevice } from './become-program.ts';

/** Undefined when there is nothing at the path: then nothing needs hiding. */
function openExisting(root: number, path: string): number | undefined {
  const fd = tryOpenInRoot(root, path, O.PATH);
  if (fd >= 0) return fd;
  const name = errnoName(errno());
  if (name === 'ENOENT' || name === 'ENOTDIR') return undefined;
  throw sysError('openat2', [path]);
}

export function makeReadOnly(root: number, paths: readonly string[]): void {
  for (const path of paths) {
    const target = openExisting(root, path);
    if (target === undefined) continue;
    const tree = cloneTree(`/proc/self/fd/${target}`, { recursive: true });
    setMountAttributes(tree, { set: ATTR.RDONLY });
    attachTree(tree, target);
    closeSync(tree);
    closeSync(target);
  }
}

export function mask(root: number, paths: readonly string[]): void {
  if (!paths.length) return;
  let nothing: number | undefined;
  for (const path of paths) {
    const target = openExisting(root, path);
    if (target === undefined) continue;
    if (fstatSync(target).isDirectory()) mount('tmpfs', `/proc/self/fd/${target}`, 'tmpfs', MS.RDONLY, null);
    else {
      nothing ??= openNull(root);
      const tree = cloneTree(`/proc/self/fd/${nothing}`, { recursive: false });
      attachTree(tree, target);
      closeSync(tree);
    }
    closeSync(target);
  }
  if (nothing !== undefined) closeSync(nothing);
}

function openNull(root: number): number {
  const fd = openExisting(root, '/dev/null');
  if (fd === undefined || !isNullDevice(fd))
    throw new EngineError('FailedPrecondition', 'cannot mask paths: /dev/null of the container is not the null device', {
      layer: 'runtime',
    });
  return fd;
}

export function writeSysctls(root: number, sysctls: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(sysctls)) {
    // A name with slashes keeps its dots: net/ipv4/conf/eth0.1/forwarding.
    const path = `/proc/sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`;
    const fd = tryOpenInRoot(root, path, O.WRONLY);
    if (fd < 0) throw sysError('open sysctl', [path]);
    try {
      if (fileSystemType(fd) !== PROC_SUPER_MAGIC)
        throw new EngineError('PermissionDenied', `${path} is not on a procfs`, { layer: 'runtime' });
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  }
}
