// What of a container's mounts has to be done on the host before it starts and undone after it has ended: volumes are asked of their
// driver, images are mounted from their layers, and a subpath is opened once, inside its volume, and mounted from there: whoever
// replaces a directory on its way by a link afterwards changes nothing (CVE-2017-1002101 is what Kubernetes had of it).
//
// These mounts are at <exec-root>/mounts/<container id>/<n>; after a crash the directory says what is left to undo.
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { errno, errnoName, errnoText } from '@berth/sys/libc';
import { attachTree, cloneTree, MNT_DETACH, umount } from '@berth/sys/mount';
import { O, tryOpenInRoot } from '@berth/sys/path';
import type { Container, ContainerMount } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { OWNER_LABEL } from '../prepare.ts';
import { openMounts } from '../rootfs.ts';
import { checkPropagation } from './propagation.ts';

/** Milliseconds. */
const LONGEST_RELEASE = 10_000;

/** All or none. */
export async function openRunMounts(context: ContainerContext, container: Container): Promise<void> {
  try {
    for (const [index, mount] of container.record.mounts.entries()) {
      const place = join(heldMounts(context, container.id), String(index));
      if (mount.Type === 'volume') await openVolume(context, container, mount, place);
      else if (mount.Type === 'bind') checkPropagation(mount);
      else if (mount.Type === 'image') await openImage(context, container, mount, place);
    }
  } catch (error) {
    await closeRunMounts(context, container);
    throw error;
  }
}

/** Failures are the log's: there is nobody left to tell. */
export async function closeRunMounts(context: ContainerContext, container: Container): Promise<void> {
  const { id, record } = container;
  for (const mount of record.mounts) delete mount.at;
  undoHeld(context, id);
  for (const [index, mount] of record.mounts.entries()) {
    const failed = (error: unknown) =>
      context.log.warn({ container: id, mount: mount.Destination, err: error }, 'a mount of a container could not be undone');
    if (mount.Type === 'image') await removeView(context, viewKey(id, index)).catch(failed);
    if (mount.Type !== 'volume' || mount.Name === undefined || (isPlugins(mount) && mount.Source === '')) continue;
    if (isPlugins(mount)) mount.Source = '';
    await context.volumes.unmount(mount.Name, id).catch(failed);
  }
}

/**
 * Before anybody is told of a container's end, its volumes are free: the next one finds a new tmpfs, and `volume rm` finds nobody. A plugin
 * that takes its time with that holds the news up no longer than this.
 */
export async function releaseVolumes({ volumes }: ContainerContext, container: Container): Promise<void> {
  const names = container.record.mounts.flatMap(({ Type, Name }) => (Type === 'volume' && Name !== undefined ? [Name] : []));
  for (const name of names) volumes.release(name, container.id);
  if (names.some((name) => volumes.needsMount(name)))
    await Promise.race([container.cleanup, delay(LONGEST_RELEASE, undefined, { ref: false })]);
}

/** At the daemon's start: gives back what containers held that do not run any more. */
export async function sweepRunMounts(context: ContainerContext): Promise<void> {
  const { store, volumes, config } = context;
  const directory = join(config.execRoot, 'mounts');
  const running = store.all().filter((container) => container.running);
  for (const id of existsSync(directory) ? readdirSync(directory) : []) {
    if (running.some((container) => container.id === id)) continue;
    undoHeld(context, id);
    const mounts = store.find(id)?.record.mounts ?? [];
    for (const [index, mount] of mounts.entries()) if (mount.Type === 'image') await removeView(context, viewKey(id, index));
  }
  volumes.recover((name) => running.filter(({ record }) => record.mounts.some((mount) => mount.Name === name)).map(({ id }) => id));
}

async function openVolume(context: ContainerContext, { id }: Container, mount: ContainerMount, place: string): Promise<void> {
  const path = await context.volumes.mount(mount.Name as string, id);
  if (isPlugins(mount)) mount.Source = path;
  if (mount.subpath === undefined) return;
  const root = openSync(path, O.RDONLY | O.DIRECTORY);
  try {
    bindSubpath(root, path, mount.subpath, place);
  } finally {
    closeSync(root);
  }
  mount.at = place;
}

async function openImage(context: ContainerContext, { id, record }: Container, mount: ContainerMount, place: string): Promise<void> {
  const { snapshots, snapshotter } = context.lifecycle;
  const key = viewKey(id, record.mounts.indexOf(mount));
  const labels = { 'containerd.io/gc.root': record.created, [OWNER_LABEL]: id };
  const parent = mount.imageLayers ?? '';
  const { mounts } = await snapshots.view({ snapshotter, key, parent, labels }).catch((error: unknown) => {
    if (isKind(error, 'AlreadyExists')) return snapshots.mounts({ snapshotter, key });
    throw error;
  });
  using root = openMounts(mounts, { writable: false });
  if (mount.subpath === undefined) bindOpened(root.fd, place);
  else {
    // A detached mount cannot be cloned in part: the whole is given a place first.
    const whole = `${place}-image`;
    bindOpened(root.fd, whole);
    const top = openSync(whole, O.RDONLY | O.DIRECTORY);
    try {
      bindSubpath(top, mount.Source, mount.subpath, place);
    } finally {
      closeSync(top);
    }
  }
  mount.at = place;
}

function bindSubpath(root: number, shown: string, subpath: string, place: string): void {
  const fd = tryOpenInRoot(root, subpath, O.PATH);
  if (fd < 0) {
    const code = errnoName(errno());
    throw new EngineError('InvalidArgument', `cannot access path ${join(shown, subpath)}: ${errnoText(code)}`, { layer: 'daemon' });
  }
  try {
    bindOpened(fd, place);
  } finally {
    closeSync(fd);
  }
}

/** Mounts what a descriptor names once more, at a place that is made for it. */
function bindOpened(fd: number, place: string): void {
  mkdirSync(join(place, '..'), { recursive: true, mode: 0o700 });
  if (fstatSync(fd).isDirectory()) mkdirSync(place, { recursive: true, mode: 0o700 });
  else writeFileSync(place, '', { mode: 0o600 });
  const target = openSync(place, O.PATH);
  try {
    const tree = cloneTree(`/proc/self/fd/${fd}`, { recursive: true });
    try {
      attachTree(tree, target);
    } finally {
      closeSync(tree);
    }
  } finally {
    closeSync(target);
  }
}

function undoHeld(context: ContainerContext, id: string): void {
  const directory = heldMounts(context, id);
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    try {
      umount(join(directory, name), MNT_DETACH);
    } catch (error) {
      // A crash came between the making of the place and the mount.
      if (!(error instanceof EngineError) || error.details.code !== 'EINVAL') throw error;
    }
  }
  rmSync(directory, { recursive: true });
}

async function removeView(context: ContainerContext, key: string): Promise<void> {
  const { snapshots, snapshotter } = context.lifecycle;
  await snapshots.remove({ snapshotter, key }).catch((error: unknown) => {
    if (!isKind(error, 'NotFound')) throw error;
  });
}

function heldMounts({ config }: ContainerContext, id: string): string {
  return join(config.execRoot, 'mounts', id);
}

function viewKey(id: string, index: number): string {
  return `${id}-image-${index}`;
}

function isPlugins(mount: ContainerMount): boolean {
  return mount.Driver !== undefined && mount.Driver !== 'local';
}
