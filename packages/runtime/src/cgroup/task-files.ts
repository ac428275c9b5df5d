// The files by which a thread that was born in a container's v2 cgroup (clone3 with CLONE_INTO_CGROUP) enters the other hierarchies:
// it writes 0 to each. v1's `tasks` moves one thread and does without the lock that `cgroup.procs` takes (see Cgroup.joinAsThread).
import type { CgroupLocation } from './cgroup.ts';

/** One path a v1 hierarchy: controllers that are mounted together share a directory. None on a unified host. */
export function taskFiles({ version, paths }: CgroupLocation): string[] {
  if (version === 2) return [];
  const directories = Object.entries(paths).flatMap(([controller, path]) => (controller === '' ? [] : [path]));
  return [...new Set(directories)].map((path) => `${path}/tasks`);
}
