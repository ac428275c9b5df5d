// The root file system and the mounts in it, made by init inside its own mount namespace while it still sees the host's files; then
// the change of root. Order and meaning: runtime-spec config.md "Mounts" and config-linux.md "Rootfs Mount Propagation".
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { attachTree, cloneTree, MNT_DETACH, MS, mount, pivotRoot, setMountAttributes, umount } from '@berth/sys/mount';
import { chdir, chroot, fchdir, fileSystemType, O, openInRoot, PROC_SUPER_MAGIC, tryOpenInRoot } from '@berth/sys/path';
import { propagationFlags } from '../mount-options.ts';
import type { InitPlan, MountPlan } from '../plan.ts';
import { mountCgroups } from './cgroup-mounts.ts';
import { copyUp } from './copy-up.ts';
import { openTarget } from './mount-target.ts';
import { fitOverlayOptions } from './overlay-options.ts';

/** Makes the root a mount point of its own, apart from the host's propagation, and opens it. */
export function prepareRoot(plan: InitPlan): number {
  const propagation = propagationFlags(plan.spec.linux?.rootfsPropagation || 'rslave') ?? MS.SLAVE | MS.REC;
  if (plan.has.mount) {
    // What is unbindable now could not be bound below: it becomes so at the end.
    mount(null, '/', null, propagation & MS.UNBINDABLE ? MS.PRIVATE | MS.REC : propagation);
    // pivot_root refuses a root whose parent mount is shared, and what is mounted there would show up on the host.
    if (propagation & MS.SHARED) makeParentPrivate(plan.rootfs);
    for (const each of plan.rootfsMounts) mountRootfs(plan, each);
    if (!plan.rootfsMounts.length) mount(plan.rootfs, plan.rootfs, null, MS.BIND | MS.REC);
  }
  return openSync(plan.rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC);
}

/** What the snapshotter hands out: an overlay, or a bind mount of a single layer. */
function mountRootfs(plan: InitPlan, each: MountPlan): void {
  if (each.options.bind || each.tree !== undefined) {
    attach(each, openSync(plan.rootfs, O.PATH | O.CLOEXEC));
    return;
  }
  const { data, workingDirectory } = fitOverlayOptions(each.options.data);
  if (workingDirectory !== undefined) chdir(workingDirectory);
  mount(each.source, plan.rootfs, each.type, each.options.flags, data || null);
  if (workingDirectory !== undefined) chdir('/');
}

export function makeMounts(plan: InitPlan, root: number): void {
  for (const each of plan.mounts) {
    try {
      makeMount(plan, root, each);
    } catch (cause) {
      const message = `error mounting ${JSON.stringify(each.source || each.type)} to rootfs at ${JSON.stringify(each.destination)}: ${(cause as Error).message}`;
      throw new EngineError(cause instanceof EngineError ? cause.kind : 'Internal', message, { layer: 'runtime', cause });
    }
  }
}

function makeMount(plan: InitPlan, root: number, each: MountPlan): void {
  const { options } = each;
  if (options.remount) {
    remount(root, each);
    return;
  }
  if (each.type !== 'tmpfs') refuseInsideProc(each);
  if (each.type === 'cgroup') {
    mountCgroups(plan, root, each);
    return;
  }
  const plain = each.type === 'proc' || each.type === 'sysfs';
  const kind = options.bind && !statOf(each).isDirectory() ? 'file' : 'directory';
  const modeOfPlace = each.type === 'tmpfs' && !/(^|,)mode=/.test(options.data) ? modeBefore(root, each.destination) : '';
  const target = openTarget(root, each.destination, kind, { noSymlinks: plain });
  refuseOnProc(plan, each, target);
  if (options.bind) attach(each, target);
  else {
    const data = [options.data, modeOfPlace].filter(Boolean).join(',');
    // /dev is filled first and turned read-only at the end.
    const flags = isDev(each) || options.copyUp ? options.flags & ~MS.RDONLY : options.flags;
    mount(each.source || each.type, `/proc/self/fd/${target}`, each.type, flags, data || null);
    const needsTop = options.propagation.length || options.copyUp || options.recursiveAttributes.set;
    if (needsTop) {
      const top = openInRoot(root, each.destination, O.PATH);
      if (options.copyUp) copyUp(target, top);
      if (options.copyUp && options.flags & MS.RDONLY) setMountAttributes(top, { set: 1 });
      applyRecursive(top, each);
      closeSync(top);
    }
    closeSync(target);
  }
}

function statOf({ source, tree }: MountPlan): Stats {
  return tree === undefined ? statSync(source) : fstatSync(tree);
}

/**
 * What a restore needs of makeMounts: the places, in the root and in what is bound into it, where criu will mount. Inside file systems
 * that criu mounts itself it makes them, too.
 */
export function makeMountPoints(plan: InitPlan, root: number): void {
  const made = plan.mounts.filter(({ options }) => !options.bind && !options.remount).map(({ destination }) => `${destination}/`);
  for (const each of plan.mounts) {
    if (each.options.remount || made.some((directory) => each.destination.startsWith(directory))) continue;
    const kind = each.options.bind && !statOf(each).isDirectory() ? 'file' : 'directory';
    const target = openTarget(root, each.destination, kind);
    if (each.options.bind) attach(each, target);
    else closeSync(target);
  }
}

/** `mode=…` of the directory that a tmpfs covers; where there is none yet, the kernel's own default is meant (as runc has it). */
function modeBefore(root: number, path: string): string {
  const fd = tryOpenInRoot(root, path, O.PATH);
  if (fd < 0) return '';
  const { mode } = fstatSync(fd);
  closeSync(fd);
  return `mode=${(mode & 0o7777).toString(8)}`;
}

/** A bind mount is finished before it is attached, so nothing ever sees it with the wrong attributes. Closes the target. */
function attach(each: MountPlan, target: number): void {
  const { options } = each;
  const tree = each.tree ?? cloneTree(each.source, { recursive: options.recursive });
  if (options.attributes.set || options.attributes.clear) setMountAttributes(tree, options.attributes);
  applyRecursive(tree, each);
  attachTree(tree, target);
  closeSync(tree);
  closeSync(target);
}

function applyRecursive(top: number, { options }: MountPlan): void {
  if (options.recursiveAttributes.set || options.recursiveAttributes.clear)
    setMountAttributes(top, { ...options.recursiveAttributes, recursive: true });
  for (const flags of options.propagation) setMountAttributes(top, { propagation: flags & ~MS.REC, recursive: (flags & MS.REC) !== 0 });
}

function remount(root: number, each: MountPlan): void {
  const target = openInRoot(root, each.destination, O.PATH);
  const flags = each.options.flags | MS.REMOUNT | (each.options.bind ? MS.BIND : 0);
  mount(null, `/proc/self/fd/${target}`, null, flags, each.options.data || null);
  closeSync(target);
}

/** The same for what turns out to lie on a procfs: the image may have led there by a symbolic link. */
function refuseOnProc(plan: InitPlan, each: MountPlan, target: number): void {
  if (each.type === 'tmpfs' || fileSystemType(target) !== PROC_SUPER_MAGIC) return;
  const path = readlinkSync(`/proc/self/fd/${target}`).slice(realpathSync(plan.rootfs).length);
  if (path === '/proc' || ALLOWED_IN_PROC.includes(path)) return;
  throw new EngineError('InvalidArgument', `${path} cannot be mounted because it is inside /proc`, { layer: 'runtime' });
}

/** lxcfs and friends bind these; anything else over /proc would lie to the runtime's own checks (CVE-2019-16884). */
const ALLOWED_IN_PROC = [
  'cpuinfo',
  'diskstats',
  'meminfo',
  'stat',
  'swaps',
  'uptime',
  'loadavg',
  'slabinfo',
  'sys/kernel/ns_last_pid',
  'sys/crypto/fips_enabled',
].map((name) => `/proc/${name}`);

function refuseInsideProc(each: MountPlan): void {
  if (!each.destination.startsWith('/proc/') || ALLOWED_IN_PROC.includes(each.destination)) return;
  throw new EngineError('InvalidArgument', `${each.destination} cannot be mounted because it is inside /proc`, { layer: 'runtime' });
}

function isDev(each: MountPlan): boolean {
  return each.type === 'tmpfs' && each.destination === '/dev';
}

/** The container's root becomes the root; the host's files are gone from this mount namespace. */
export function changeRoot(plan: InitPlan, root: number): void {
  if (!plan.has.mount) {
    fchdir(root);
    chroot('.');
  } else if (plan.noPivot) {
    hideKernelFiles(plan.rootfs);
    fchdir(root);
    mount(plan.rootfs, '/', null, MS.MOVE);
    chroot('.');
  } else {
    const oldRoot = openSync('/', O.DIRECTORY | O.CLOEXEC);
    fchdir(root);
    pivotRoot('.', '.');
    // The old root lies on top of the new one now. It must not carry the unmounting back to the host.
    fchdir(oldRoot);
    mount(null, '.', null, MS.SLAVE | MS.REC);
    umount('.', MNT_DETACH);
    closeSync(oldRoot);
  }
  chdir('/');
  closeSync(root);
}

/**
 * Without pivot_root the host's mounts stay in the mount namespace, out of sight. A procfs or sysfs among them that hides nothing would let
 * the container mount another, which the kernel grants to nobody who sees only masked ones.
 */
function hideKernelFiles(rootfs: string): void {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - (proc|sysfs) /.test(line))
    .map((line) => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))))
    .filter((point) => point !== rootfs && !point.startsWith(`${rootfs}/`));
  for (const point of points) {
    mount(null, point, null, MS.PRIVATE);
    try {
      umount(point, MNT_DETACH);
    } catch {
      // In a user namespace the host's mounts are locked; covered they show nothing either.
      mount('tmpfs', point, 'tmpfs', 0);
    }
  }
}

/** What can only be said once the root is the root: read-only /dev, the root's own flags and propagation. */
export function finishRoot(plan: InitPlan): void {
  if (!plan.has.mount) return;
  for (const each of plan.mounts) {
    if (isDev(each) && each.options.flags & MS.RDONLY) changeMount('/dev', { set: 1 });
  }
  if (plan.spec.root?.readonly) changeMount('/', { set: 1 });
  const wanted = propagationFlags(plan.spec.linux?.rootfsPropagation ?? '');
  if (wanted !== undefined) changeMount('/', { propagation: wanted & ~MS.REC, recursive: (wanted & MS.REC) !== 0 });
}

function changeMount(path: string, attributes: Parameters<typeof setMountAttributes>[1]): void {
  const fd = openSync(path, O.PATH | O.CLOEXEC);
  setMountAttributes(fd, attributes);
  closeSync(fd);
}

function makeParentPrivate(path: string): void {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4]);
  let parent = path;
  while (parent !== '/' && !points.includes(parent)) parent = dirname(parent);
  mount(null, parent, null, MS.PRIVATE);
}
