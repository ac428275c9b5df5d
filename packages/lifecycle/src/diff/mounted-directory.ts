// From a snapshot's mounts to the directories behind them, so that layers are written and read without mounting anything: an
// overlay's upper directory and its lower ones, or the source of a bind mount.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Mount } from '../snapshots/snapshotter.ts';
import type { WhiteoutMode } from './whiteouts.ts';

export interface SnapshotDirectories {
  /** What may be written to; undefined for a read-only mount. */
  upper: string | undefined;
  /** Directories below it, uppermost first. */
  lowers: string[];
  /** How the upper directory keeps deletions. */
  whiteouts: WhiteoutMode;
}

/** Undefined for mounts that are neither one overlay nor one bind. */
export function directoriesOf(mounts: readonly Mount[]): SnapshotDirectories | undefined {
  const mount = mounts[0];
  if (mounts.length !== 1 || !mount || mount.target) return undefined;
  if (mount.type === 'overlay') {
    const lower = mount.options.find((option) => option.startsWith('lowerdir='));
    const upper = mount.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
    if (lower === undefined) return undefined;
    return {
      upper,
      lowers: splitLowers(lower.slice('lowerdir='.length)),
      whiteouts: mount.options.includes('userxattr') ? 'user-overlay' : 'overlay',
    };
  }
  if (mount.type !== 'bind' && !mount.options.some((option) => option === 'bind' || option === 'rbind')) return undefined;
  return mount.options.includes('ro')
    ? { upper: undefined, lowers: [mount.source], whiteouts: 'remove' }
    : { upper: mount.source, lowers: [], whiteouts: 'remove' };
}

/** The same for a caller that has to write. */
export function writableDirectories(mounts: readonly Mount[]): SnapshotDirectories & { upper: string } {
  const directories = directoriesOf(mounts);
  if (!directories) {
    const kinds = mounts.map((mount) => mount.type).join(', ') || 'none';
    throw new EngineError('FailedPrecondition', `one overlay or one bind mount is needed here, not: ${kinds}`, { layer: 'lifecycle' });
  }
  if (directories.upper === undefined)
    throw new EngineError('FailedPrecondition', 'layers cannot be unpacked onto a read-only mount: prepare a snapshot instead of a view', {
      layer: 'lifecycle',
    });
  return { ...directories, upper: directories.upper };
}

/** Colons separate; one in a name is escaped by a backslash. */
function splitLowers(text: string): string[] {
  return (text.match(/(?:\\.|[^\\:])+/g) ?? []).map((path) => path.replaceAll(/\\(.)/g, '$1'));
}
