// The cgroups above those of containers that had to be made for them (`/docker`, `/default`). Neither runc nor anybody else ever removes
// these; here they go when the last container of a state root has gone, so that nothing is left of an engine that was tried.
//
// Which ones were made is noted in the state root. Removing and making them again costs as much as a container's own cgroup, so whoever
// makes many containers removes them in a quiet moment; a parent that goes while another container is made below it is made again.
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeCgroupDirectory } from '@berth/sys/cgroup-file';
import { savedIds } from '../state-file.ts';

/** One path a line. The name is not a valid id, so no container can take it. */
const NOTED = '@cgroup-parents';

export function noteParents(root: string, paths: readonly string[]): void {
  if (paths.length > 0) appendFileSync(join(root, NOTED), paths.map((path) => `${path}\n`).join(''), { mode: 0o600 });
}

/** Removes those that were made for containers of this state root, if it has none any more. Those that others use stay. */
export function removeParents(root: string): void {
  const file = join(root, NOTED);
  const noted = read(file);
  if (noted.length === 0 || savedIds(root).length > 0) return;
  rmSync(file, { force: true });
  const innermostFirst = [...new Set(noted)].sort((one, other) => other.length - one.length);
  noteParents(
    root,
    innermostFirst.filter((path) => !removeCgroupDirectory(path)),
  );
}

function read(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
