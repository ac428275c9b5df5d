// From the mounts of two snapshots to what a worker has to look at to tell them apart. Runs in the lifecycle service, and in the daemon
// above a service that cannot leave out what the runtime made.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Mount } from '../snapshots/snapshotter.ts';
import type { CompareJob } from './compare-job.ts';
import { directoriesOf } from './mounted-directory.ts';

/**
 * How to see the changes of one snapshot over another by their mounts: a snapshot over its own parent is an upper directory or a plain
 * one, everything else is mounted by the worker and walked.
 */
export function comparisonOf(lower: readonly Mount[], upper: readonly Mount[]): Pick<CompareJob, 'upper' | 'lower' | 'lowers' | 'overlay'> {
  if (upper.length === 0) throw new EngineError('InvalidArgument', 'no mounts to compare: invalid argument', { layer: 'lifecycle' });
  const newer = stackOf(upper);
  const older = stackOf(lower);
  const top = newer?.[0];
  if (
    newer &&
    older &&
    top !== undefined &&
    newer.length > 1 &&
    newer.length === older.length + 1 &&
    older.every((directory, index) => directory === newer[index + 1])
  ) {
    return { upper: top, lower: undefined, lowers: older, overlay: true };
  }
  const only = (stack: string[] | undefined) => (stack?.length === 1 ? stack[0] : undefined);
  return {
    upper: only(newer) ?? [...upper],
    lower: lower.length === 0 ? undefined : (only(older) ?? [...lower]),
    lowers: [],
    overlay: false,
  };
}

/** The directories that make up a filesystem, uppermost first; undefined where mounts do not tell. */
function stackOf(mounts: readonly Mount[]): string[] | undefined {
  const directories = directoriesOf(mounts);
  if (!directories) return mounts.length === 0 ? [] : undefined;
  return directories.upper === undefined ? directories.lowers : [directories.upper, ...directories.lowers];
}
