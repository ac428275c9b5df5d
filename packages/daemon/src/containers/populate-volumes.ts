// An empty volume gets what the image has at the place where it is mounted, with owners, modes and times; so a database image can
// bring its first files. Done before the first process runs; a volume with anything in it is left alone.
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, openSync, readdirSync } from 'node:fs';
import { errno, errnoName, sysError } from '@berth/sys/libc';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Container, ContainerMount } from './container.ts';
import { copyTree } from './copy-tree.ts';
import { openMounts } from './rootfs.ts';

export function populateVolumes(container: Container): void {
  const empty = container.record.mounts.filter(
    (mount) => mount.copyUp && mount.Name !== undefined && readdirSync(mount.Source).length === 0,
  );
  if (empty.length === 0 || !container.rootfs) return;
  using root = openMounts(container.rootfs, { writable: false });
  for (const mount of empty) populate(root.fd, mount);
}

function populate(root: number, mount: ContainerMount): void {
  const source = tryOpenInRoot(root, mount.Destination, O.RDONLY | O.DIRECTORY);
  if (source < 0) {
    // The image has nothing there: the volume stays empty.
    if (['ENOENT', 'ENOTDIR'].includes(errnoName(errno()))) return;
    throw sysError('openat2', [mount.Destination]);
  }
  const target = openSync(mount.Source, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { uid, gid, mode } = fstatSync(source);
    for (const name of readdirSync(`/proc/self/fd/${source}`))
      copyTree(`/proc/self/fd/${source}/${name}`, `/proc/self/fd/${target}/${name}`);
    fchownSync(target, uid, gid);
    fchmodSync(target, mode & 0o7777);
  } finally {
    closeSync(target);
    closeSync(source);
  }
}
