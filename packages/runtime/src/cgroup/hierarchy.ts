// The host's cgroup hierarchies, as /proc/self/mountinfo and /proc/self/cgroup tell them.
//
// Read by the runtime's parent process, and by `info`. Facts: cgroups(7), proc_pid_mountinfo(5).
import { readFileSync } from 'node:fs';
import { readOptional } from '@berth/sys/cgroup-file';

/** unified: only cgroup v2. hybrid: v1 controllers beside a v2 hierarchy for processes. legacy: v1 alone. none: no cgroup mounted. */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none';

export interface Hierarchy {
  version: 1 | 2;
  mountpoint: string;
  /** Controllers of one v1 hierarchy, e.g. ['cpu','cpuacct'] or ['name=systemd']; of v2, those its root offers. */
  controllers: string[];
  /** Which directory of the hierarchy is mounted; '/' unless in a container without a cgroup namespace. */
  root: string;
}

/** Mount options of a v1 hierarchy that are not controllers. */
const NOT_CONTROLLERS = new Set(['rw', 'ro', 'xattr', 'clone_children', 'noprefix', 'cpuset_v2_mode', 'release_agent', 'favordynmods']);

/** Every mounted hierarchy, in mount order; this is what a mount of the type `cgroup` is laid out after. */
export function hierarchies(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of mountinfo.split('\n')) {
    const separator = line.indexOf(' - cgroup');
    if (separator < 0) continue;
    const [type, , superOptions = ''] = line.slice(separator + 3).split(' ');
    const fields = line.split(' ');
    const root = unescapeOctal(fields[3] ?? '/');
    const mountpoint = unescapeOctal(fields[4] ?? '');
    if (type === 'cgroup2') {
      if (!found.has('')) {
        const controllers = readOptional(mountpoint, 'cgroup.controllers')?.split(' ').filter(Boolean) ?? [];
        found.set('', { version: 2, mountpoint, controllers, root });
      }
    } else if (type === 'cgroup') {
      const controllers = superOptions.split(',').filter((option) => !NOT_CONTROLLERS.has(option.split('=')[0] ?? ''));
      // The same hierarchy may be mounted again elsewhere (bind mounts of containers): the first mount is the host's.
      const key = controllers.join(',');
      if (controllers.length > 0 && !found.has(key)) found.set(key, { version: 1, mountpoint, controllers, root });
    }
  }
  return [...found.values()];
}

export function cgroupMode(of: readonly Hierarchy[] = hierarchies()): CgroupMode {
  const v1 = of.some((hierarchy) => hierarchy.version === 1 && !hierarchy.controllers.every((name) => name.startsWith('name=')));
  const v2 = of.some((hierarchy) => hierarchy.version === 2);
  if (v1) return v2 ? 'hybrid' : 'legacy';
  return v2 ? 'unified' : 'none';
}

/** A process' cgroup by controller ('' is v2), from /proc/<pid>/cgroup: lines of `id:controllers:path`. */
export function ownCgroups(pid: number | 'self' = 'self'): Record<string, string> {
  const places: Record<string, string> = {};
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, , controllers, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const name of controllers.split(',')) places[name] = path;
  }
  return places;
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
