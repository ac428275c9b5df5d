// `GET /containers/{id}/changes`: what a container has changed in its image: the upper directory of its overlay against the layers
// below (docs.kernel.org/filesystems/overlayfs: whiteouts are 0/0 character devices, opaque directories carry an attribute).
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { FilesystemChange } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Container } from './container.ts';
import { layersOf } from './rootfs.ts';

export function changesOf(container: Container): FilesystemChange[] {
  if (!container.rootfs)
    throw new EngineError('FailedPrecondition', `the root file system of container ${container.id} is not prepared`, { layer: 'daemon' });
  const { upper, lower } = layersOf(container.rootfs);
  const changes: FilesystemChange[] = [];
  if (upper !== undefined) walk(upper, '/', lower, changes);
  return changes.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

/** Mount points that the engine makes in every container; Docker hides them in a layer of their own. */
const MOUNT_POINTS = new Set(['/dev', '/proc', '/sys', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf']);

function walk(upper: string, path: string, lower: readonly string[], changes: FilesystemChange[]): void {
  for (const name of readdirSync(join(upper, path))) {
    const inner = join(path, name);
    const stats = lstatSync(join(upper, inner));
    if (isWhiteout(stats)) {
      changes.push({ Path: inner, Kind: 2 });
      continue;
    }
    const existed = below(lower, inner) !== undefined;
    if (!existed && MOUNT_POINTS.has(inner) && isEmpty(join(upper, inner), stats)) continue;
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
