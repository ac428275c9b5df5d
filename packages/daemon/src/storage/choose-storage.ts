// How containers' file systems are kept, by what the data root can do: overlayfs, or whole copies where it cannot stand. Tried, not
// guessed from names: an overlay is mounted (nowhere) in a directory of the data root, and something is deleted in it. Runs once, before
// anything else of the daemon.
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { detachedOverlay } from '@berth/sys/detached-mount';
import { fileSystemType, mkfifo, O, tellsTypes } from '@berth/sys/path';
import type { Logger } from 'pino';

export interface StorageChoice {
  /** The snapshotter of the lifecycle service. */
  readonly snapshotter: string;
  /** The kernel's name of the file system, as docker shows it: extfs, xfs, tmpfs. */
  readonly backing: string;
  /** Whether directories tell the types of their members. */
  readonly tellsTypes: boolean;
  /** Why it is not what most people have. */
  readonly warning?: string;
}

/** statfs(2)'s numbers; docker's names. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  19780: 'vfat',
  26985: 'nfs',
  1702057286: 'fuseblk',
  2240043254: 'ramfs',
  4076150800: 'f2fs',
};
const KNOWN = ['overlayfs', 'native'];
const NAMES: Readonly<Record<string, string>> = { overlayfs: 'overlay2', native: 'native' };

/** `asked`: a snapshotter that the configuration names. Throws FailedPrecondition when the data root can hold none. */
export function chooseStorage(dataRoot: string, asked: string | undefined, log: Logger): StorageChoice {
  const facts = factsOf(dataRoot);
  if (asked !== undefined && !KNOWN.includes(asked)) throw unsupported(asked, `there are: ${Object.values(NAMES).join(', ')}`);
  const wanted = asked ?? priorOf(dataRoot);
  const whyNoOverlay = wanted === 'native' ? '' : tryOverlay(dataRoot, facts.tellsTypes);
  if (wanted !== 'native' && whyNoOverlay === undefined) return { ...facts, snapshotter: 'overlayfs' };
  if (wanted === 'overlayfs')
    throw unsupported('overlayfs', `${whyNoOverlay}: use --storage-driver native, or another --data-root than ${dataRoot}`);
  const whyNoCopies = tryCopies(dataRoot);
  if (whyNoCopies !== undefined) {
    const overlay = wanted === undefined ? `overlay2 (${whyNoOverlay}) nor ` : '';
    throw unsupported(
      wanted ?? 'none',
      `the data root ${dataRoot} on ${facts.backing} can hold neither ${overlay}native (${whyNoCopies}): use another --data-root`,
    );
  }
  if (wanted !== undefined) return { ...facts, snapshotter: 'native' };
  const warning = `overlayfs cannot stand on ${facts.backing} at ${dataRoot} (${whyNoOverlay}): every container and layer is a whole copy (storage driver native)`;
  log.warn(warning);
  return { ...facts, snapshotter: 'native', warning: `WARNING: ${warning}` };
}

/** The one that has snapshots already: with another, all images and containers would seem to be gone. */
function priorOf(dataRoot: string): string | undefined {
  const used = KNOWN.filter((name) => {
    const directory = join(dataRoot, 'lifecycle', `io.containerd.snapshotter.v1.${name}`, 'snapshots');
    return existsSync(directory) && readdirSync(directory).length > 0;
  });
  return used[0];
}

function factsOf(dataRoot: string): Omit<StorageChoice, 'snapshotter'> {
  const fd = openSync(dataRoot, O.RDONLY | O.DIRECTORY);
  try {
    const type = fileSystemType(fd);
    return { backing: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`, tellsTypes: tellsTypes(fd) };
  } finally {
    closeSync(fd);
  }
}

/** Why overlayfs cannot be used; undefined when it can. */
function tryOverlay(dataRoot: string, types: boolean): string | undefined {
  if (!types) return 'its directories do not tell the types of their members (d_type)';
  return attempt(dataRoot, (directory) => {
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(directory, name)) as [string, string, string];
    for (const path of [lower, upper, work]) mkdirSync(path);
    writeFileSync(join(lower, 'file'), '');
    mkdirSync(join(lower, 'directory'));
    using overlay = detachedOverlay({ lower: [lower], upper, work });
    const merged = `/proc/self/fd/${overlay.fd}`;
    // A deletion is a device file, a replaced directory an attribute.
    rmSync(join(merged, 'file'));
    rmdirSync(join(merged, 'directory'));
    mkdirSync(join(merged, 'directory'));
  });
}

/** Why copies cannot be kept: what an image's files need. */
function tryCopies(dataRoot: string): string | undefined {
  return attempt(dataRoot, (directory) => {
    writeFileSync(join(directory, 'file'), 'x', { mode: 0o4755 });
    chownSync(join(directory, 'file'), 1, 1);
    symlinkSync('file', join(directory, 'link'));
    mkfifo(join(directory, 'fifo'), 0o600);
  });
}

function attempt(dataRoot: string, body: (directory: string) => void): string | undefined {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(dataRoot, '.probe-'));
    body(directory);
    return undefined;
  } catch (error) {
    return toEngineError(error).message;
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** dockerd's wording, with the reason behind it. */
function unsupported(driver: string, why: string): EngineError {
  const name = NAMES[driver] ?? driver;
  return new EngineError('FailedPrecondition', `error initializing graphdriver: driver not supported: ${name}: ${why}`, {
    layer: 'daemon',
  });
}
