// What both generations do alike with the directories of one cgroup: make, walk, list processes, remove.
//
// Used by v1.ts and v2.ts. Removing is rmdir only: the kernel's files in a cgroup cannot be unlinked and go with it.
import { mkdirSync, readdirSync } from 'node:fs';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { pause, readOptional, removeCgroupDirectory, sysErrorOf } from '@berth/sys/cgroup-file';

/** Attempts at a busy cgroup and the first pause between two, doubled each time: half a second in all. */
const REMOVE_ATTEMPTS = 9;
const FIRST_PAUSE_MS = 1;
const MAKE_ATTEMPTS = 5;

/** mkdir of one directory; true when it is new. */
export function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, 0o755);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw sysErrorOf(error, 'mkdir', path);
  }
}

/** Makes directories again whose parent another engine removes at this very moment with its last container (parents.ts). */
export function againstRemoval(make: () => void): void {
  for (let attempt = 1; ; attempt++) {
    try {
      make();
      return;
    } catch (error) {
      const gone = isKind(error, 'NotFound') || (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!gone || attempt === MAKE_ATTEMPTS) throw error;
    }
  }
}

/** The directory and everything below, parents first. */
function walk(directory: string): string[] {
  const found = [directory];
  for (const path of found) {
    for (const entry of childrenOf(path)) found.push(`${path}/${entry}`);
  }
  return found;
}

function childrenOf(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw sysErrorOf(error, 'readdir', path);
  }
}

/** Every process in the directory and below. */
export function processesIn(directory: string): number[] {
  const pids = new Set<number>();
  for (const path of walk(directory)) {
    for (const line of (readOptional(path, 'cgroup.procs') ?? '').split('\n')) {
      const pid = Number(line);
      // 0 is a process outside the reader's pid namespace; to kill(2) it would mean the caller's own group
      if (pid > 0) pids.add(pid);
    }
  }
  return [...pids];
}

/** Removes a cgroup and its children. A process that is on its way out keeps it busy for a moment. */
export function removeTree(directory: string): void {
  let wait = FIRST_PAUSE_MS;
  for (let attempt = 1; ; attempt++) {
    if (removeCgroupDirectory(directory)) return;
    for (const path of walk(directory).reverse()) removeCgroupDirectory(path);
    if (removeCgroupDirectory(directory)) return;
    if (attempt === REMOVE_ATTEMPTS) break;
    pause(wait);
    wait *= 2;
  }
  const left = processesIn(directory);
  throw new EngineError(
    'FailedPrecondition',
    `unable to remove cgroup ${directory}: ${left.length} processes are still in it; kill them first`,
    {
      layer: 'runtime',
      details: { path: directory, pids: left },
    },
  );
}
