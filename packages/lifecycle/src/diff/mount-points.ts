// Leaves out of a layer what a runtime made of a container's root only to mount over it: an empty file or directory at a mount point that
// the image has not, and a directory that is there for nothing else. Runs in an unpack worker.
import { constants, lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { toText } from '@berth/oci/tar/entry';
import { directoryOf } from './member-name.ts';
import type { Change } from './tree-changes.ts';
import { isDirectory, type Member } from './tree-walk.ts';

type Changed = Extract<Change, { kind: 'changed' }>;

/** `points` are paths below the root; `lowers` the trees that the changes are over, uppermost first. */
export function* withoutMountPoints(found: Iterable<Change>, points: readonly string[], lowers: readonly string[]): Generator<Change> {
  const files = new Set(points);
  const directories = new Set(points.flatMap((point) => [point, ...parentsOf(point)]));
  /** Directories on the way to mount points, told once something else turns up in them. */
  let held: Changed[] = [];
  for (const change of found) {
    const path = change.kind === 'deleted' ? change.path : change.member.path;
    held = held.filter(({ member }) => path.startsWith(`${member.path}/`));
    if (change.kind === 'changed' && !change.opaque) {
      const { member } = change;
      if (files.has(path) && isEmptyFile(member) && below(lowers, path) === undefined) continue;
      if (directories.has(path) && isDirectory(member.stat) && isAsBelow(member, below(lowers, path))) {
        held.push(change);
        continue;
      }
    }
    yield* held;
    held = [];
    yield change;
  }
}

function parentsOf(path: string): string[] {
  const parent = directoryOf(path);
  return parent === '' ? [] : [parent, ...parentsOf(parent)];
}

function isEmptyFile({ stat }: Member): boolean {
  return (stat.mode & constants.S_IFMT) === constants.S_IFREG && stat.size === 0;
}

/** True where there is nothing below, too: then a runtime made it. */
function isAsBelow({ stat }: Member, lower: Stats | undefined): boolean {
  return lower === undefined || (lower.mode === stat.mode && lower.uid === stat.uid && lower.gid === stat.gid);
}

/** Mount points are the engine's own words, so the path is safe to look up; a link on the way is not followed out of a layer by its last step. */
function below(lowers: readonly string[], path: string): Stats | undefined {
  for (const lower of lowers) {
    const stats = lstatSync(join(lower, toText(path)), { throwIfNoEntry: false });
    if (stats) return stats;
  }
  return undefined;
}
