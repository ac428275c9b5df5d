// A container's files as its processes see them, for `cp`: through a process of it while it runs; otherwise its layers as an overlay
// without a place, with its volumes and binds mounted inside (move_mount(2) onto a detached tree). Neither shows up in any mount table,
// and both are gone with their last descriptor.
import { closeSync, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path/posix';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import { attachDetached, type Detached, detachedClone } from '@berth/sys/detached-mount';
import { mkdirAt, O, openAt, openInRoot, tryOpenInRoot } from '@berth/sys/path';
import type { Span } from '@berth/trace/tracer';
import type { Container, ContainerMount } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { closeRunMounts, openRunMounts } from '../mounts/run-mounts.ts';
import { prepareRootfs } from '../prepare.ts';
import { openMounts, openRoot } from '../rootfs.ts';

export interface FilesView {
  /** Descriptor of the root directory. */
  readonly root: number;
  /** Destinations of mounts that this kernel cannot show of a container that does not run. */
  readonly hidden: readonly string[];
  /** True while a process of the container may change its files. */
  readonly live: boolean;
}

/**
 * Lends the files to `body`. A container that does not run is locked meanwhile: no start may mount its layers a second time.
 * `writable` is about its layers; a running container's files are what its mounts let them be.
 */
export function withFiles<T>(
  context: ContainerContext,
  container: Container,
  options: { writable: boolean },
  span: Span,
  body: (view: FilesView) => Promise<T>,
): Promise<T> {
  if (container.running) return withRunning(container, body);
  return container.lock.run(async () => {
    if (container.running) return withRunning(container, body);
    await container.cleanup;
    await container.prepared?.catch(() => {});
    const layers = await prepareRootfs(context, container, span);
    await openRunMounts(context, container);
    try {
      const mounts = container.record.mounts.filter((mount) => mount.Type !== 'tmpfs' && existsSync(sourceOf(mount)));
      // A container that never ran lacks the directories that its mounts go to.
      await using root = openLayers(layers, options.writable || mounts.length > 0);
      const hidden = mounts.sort((one, other) => one.Destination.length - other.Destination.length).filter((mount) => !attach(root, mount));
      return await body({ root: root.fd, hidden: hidden.map((mount) => mount.Destination), live: false });
    } finally {
      await closeRunMounts(context, container);
    }
  });
}

function sourceOf(mount: ContainerMount): string {
  return mount.at ?? mount.Source;
}

async function withRunning<T>(container: Container, body: (view: FilesView) => Promise<T>): Promise<T> {
  using root = openRoot(container, { writable: true });
  return await body({ root: root.fd, hidden: [], live: true });
}

/** A snapshot that is a plain directory is cloned: mounts made in the directory itself would be the host's. */
function openLayers(layers: readonly Mount[], writable: boolean): Detached {
  const [only] = layers;
  return only?.type === 'bind' && layers.length === 1 ? detachedClone(only.source) : openMounts(layers, { writable });
}

/** False when the kernel cannot. */
function attach(root: Detached, mount: ContainerMount): boolean {
  const target = mountpoint(root.fd, mount.Destination, statSync(sourceOf(mount)).isDirectory());
  try {
    attachDetached(sourceOf(mount), target);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.code === 'EINVAL') return false;
    throw error;
  } finally {
    closeSync(target);
  }
}

/** A descriptor of what a mount goes over; made where it is missing. */
function mountpoint(root: number, path: string, directory: boolean): number {
  const there = tryOpenInRoot(root, path, O.PATH);
  if (there >= 0) return there;
  const parent = makeDirectories(root, dirname(path));
  try {
    if (directory) mkdirAt(parent, basename(path), 0o755);
    else closeSync(openAt(parent, basename(path), O.WRONLY | O.CREAT | O.NOFOLLOW, 0o644));
  } finally {
    closeSync(parent);
  }
  return openInRoot(root, path, O.PATH);
}

/** A descriptor of the directory at `path` inside the root; what is missing of the way there is made. */
function makeDirectories(root: number, path: string): number {
  const fd = tryOpenInRoot(root, path, O.PATH | O.DIRECTORY);
  if (fd >= 0 || path === '/' || path === '.') return fd >= 0 ? fd : openInRoot(root, path, O.PATH | O.DIRECTORY);
  const parent = makeDirectories(root, dirname(path));
  try {
    mkdirAt(parent, basename(path), 0o755);
  } finally {
    closeSync(parent);
  }
  return openInRoot(root, path, O.PATH | O.DIRECTORY);
}

/** Throws when what lies at `fd` is mounted for reading only. */
export function checkWritable(view: FilesView, fd: number, container: Container): void {
  const { hostConfig, mounts } = container.record;
  const own = mountOf(fd);
  if (own === mountOf(view.root)) {
    if (!hostConfig.ReadonlyRootfs) return;
    throw new EngineError('PermissionDenied', 'container rootfs is marked read-only', { layer: 'daemon' });
  }
  for (const mount of mounts) {
    if (mount.RW) continue;
    const destination = tryOpenInRoot(view.root, mount.Destination, O.PATH);
    if (destination < 0) continue;
    const readOnly = mountOf(destination) === own;
    closeSync(destination);
    if (readOnly) throw new EngineError('PermissionDenied', 'mounted volume is marked read-only', { layer: 'daemon' });
  }
}

/** The mount that a descriptor was opened through (proc_pid_fdinfo(5)). */
function mountOf(fd: number): string {
  return /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
}
