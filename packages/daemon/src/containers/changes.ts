// `GET /containers/{id}/changes`: what a container has changed in its image: the upper directory of its overlay against the layers
// below (docs.kernel.org/filesystems/overlayfs: whiteouts are 0/0 character devices, opaque directories carry an attribute); where its
// files are a whole copy, that against the image's.
import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FilesystemChange } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import { changes } from '@berth/lifecycle/diff/tree-changes';
import { toText } from '@berth/oci/tar/entry';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { MOUNT_POINTS } from './mounts/mount-points.ts';
import { layersOf } from './rootfs.ts';

export async function changesOf({ lifecycle }: ContainerContext, container: Container): Promise<FilesystemChange[]> {
  if (!container.rootfs)
    throw new EngineError('FailedPrecondition', `the root file system of container ${container.id} is not prepared`, { layer: 'daemon' });
  const { upper, lower } = layersOf(container.rootfs);
  const parent = container.record.chainId;
  if (upper !== undefined && lower.length === 0 && parent !== '') {
    const { snapshots, snapshotter } = lifecycle;
    const key = `changes-${randomUUID()}`;
    const { mounts } = await snapshots.view({ snapshotter, key, parent });
    try {
      return changesOfCopy(upper, layersOf(mounts).upper ?? '');
    } finally {
      await snapshots.remove({ snapshotter, key });
    }
  }
  const found: FilesystemChange[] = [];
  if (upper !== undefined) walk(upper, '/', lower, found);
  return found.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

function changesOfCopy(copy: string, image: string): FilesystemChange[] {
  const found: FilesystemChange[] = [];
  for (const change of changes(copy, image)) {
    const Path = `/${toText(change.kind === 'deleted' ? change.path : change.member.path)}`;
    if (change.kind === 'deleted') {
      found.push({ Path, Kind: 2 });
      continue;
    }
    const existed = lstatSync(join(image, Path), { throwIfNoEntry: false }) !== undefined;
    if (!existed && HIDDEN.has(Path) && isEmpty(join(copy, Path), lstatSync(join(copy, Path)))) continue;
    found.push({ Path, Kind: existed ? 0 : 1 });
  }
  // A directory that changed only because a mount point was made in it.
  return found.filter(({ Path, Kind }) => Kind !== 0 || !isOnlyMountedIn(Path, found));
}

function isOnlyMountedIn(path: string, found: readonly FilesystemChange[]): boolean {
  return [...HIDDEN].some((point) => dirname(point) === path) && !found.some((other) => other.Path.startsWith(`${path}/`));
}

const HIDDEN = new Set(MOUNT_POINTS.map((path) => `/${path}`));

function walk(upper: string, path: string, lower: readonly string[], changes: FilesystemChange[]): void {
  for (const name of readdirSync(join(upper, path))) {
    const inner = join(path, name);
    const stats = lstatSync(join(upper, inner));
    if (isWhiteout(stats)) {
      changes.push({ Path: inner, Kind: 2 });
      continue;
    }
    const existed = below(lower, inner) !== undefined;
    if (!existed && HIDDEN.has(inner) && isEmpty(join(upper, inner), stats)) continue;
    changes.push({ Path: inner, Kind: existed ? 0 : 1 });
    if (!stats.isDirectory()) continue;
    const before = changes.length;
    walk(upper, inner, lower, changes);
    // A directory that changed only because a mount point was made in it.
    if (existed && changes.length === before && readdirSync(join(upper, inner)).length > 0) changes.pop();
  }
}

function isEmpty(path: string, stats: Stats): boolean {
  return stats.isDirectory() ? readdirSync(path).length === 0 : stats.size === 0;
}

/** The topmost lower layer decides; a whiteout there hides what is under it. */
function below(lower: readonly string[], path: string): Stats | undefined {
  for (const layer of lower) {
    const stats = lstatSync(join(layer, path), { throwIfNoEntry: false });
    if (stats) return isWhiteout(stats) ? undefined : stats;
  }
  return undefined;
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
