// An empty volume gets what the image has at the place where it is mounted, with owners, modes, attributes and times; so a database
// image can bring its first files. Done before the first process runs; a volume with anything in it is left alone.
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, openSync, readdirSync } from 'node:fs';
import type { CopyJob } from '@berth/lifecycle/diff/copy-job';
import { errno, errnoName, sysError } from '@berth/sys/libc';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Span } from '@berth/trace/tracer';
import type { Container, ContainerMount } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { openMounts } from '../rootfs.ts';

export async function populateVolumes(context: ContainerContext, container: Container, span: Span): Promise<void> {
  const empty = container.record.mounts.filter((mount) => mount.copyUp && readdirSync(mount.Source).length === 0);
  if (empty.length === 0 || !container.rootfs) return;
  using root = openMounts(container.rootfs, { writable: false });
  for (const mount of empty) await span.during('populate volume', () => populate(context, root.fd, mount));
}

async function populate(context: ContainerContext, root: number, mount: ContainerMount): Promise<void> {
  const source = tryOpenInRoot(root, mount.Destination, O.RDONLY | O.DIRECTORY);
  if (source < 0) {
    // The image has nothing there: the volume stays empty.
    if (['ENOENT', 'ENOTDIR'].includes(errnoName(errno()))) return;
    throw sysError('openat2', [mount.Destination]);
  }
  const target = openSync(mount.Source, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const files = (fd: number) => `/proc/self/fd/${fd}`;
    if (readdirSync(files(source)).length > 0) {
      await context.threads.run<void>({ kind: 'copy', from: files(source), to: files(target) } satisfies CopyJob);
      return;
    }
    const { uid, gid, mode } = fstatSync(source);
    fchownSync(target, uid, gid);
    fchmodSync(target, mode & 0o7777);
  } finally {
    closeSync(target);
    closeSync(source);
  }
}
