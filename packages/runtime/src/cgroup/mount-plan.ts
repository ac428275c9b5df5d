// How a mount of the type `cgroup` looks in a container: the same tree as on the host, cut down to the container's own cgroup.
//
// Computed by the runtime's parent process, carried out by init inside the new root. Facts: runtime-spec's `cgroup` mounts,
// cgroup_namespaces(7); the v1 layout (a tmpfs with one directory a hierarchy, links for controllers that share one) is runc's.
import { basename } from 'node:path';
import type { CgroupLocation } from './cgroup.ts';
import { cgroupMode, type Hierarchy } from './hierarchy.ts';

/** Targets are relative to the mount's destination; '' is the destination itself. */
export type CgroupMountStep =
  | { kind: 'tmpfs'; target: string }
  /** A new instance of the hierarchy: inside a cgroup namespace its root is the container's cgroup. */
  | { kind: 'cgroup' | 'cgroup2'; target: string; data: string }
  | { kind: 'bind'; source: string; target: string }
  | { kind: 'symlink'; text: string; target: string };

export interface CgroupMountOptions {
  /** The container has a cgroup namespace of its own. */
  cgroupNamespace: boolean;
}

/** The steps in order. A read-only mount remounts the tmpfs read-only when all are done, and each cgroup with it. */
export function cgroupMountPlan(
  location: CgroupLocation,
  mounted: readonly Hierarchy[],
  { cgroupNamespace }: CgroupMountOptions,
): CgroupMountStep[] {
  if (cgroupMode(mounted) === 'unified') {
    const source = location.paths[''] ?? '';
    return cgroupNamespace ? [{ kind: 'cgroup2', target: '', data: '' }] : [{ kind: 'bind', source, target: '' }];
  }
  const steps: CgroupMountStep[] = [{ kind: 'tmpfs', target: '' }];
  for (const hierarchy of mounted) {
    const source = location.paths[hierarchy.controllers[0] ?? ''];
    // The v2 side of a hybrid host has no controllers: nothing in a container needs it.
    if (hierarchy.version === 2 || source === undefined) continue;
    const target = basename(hierarchy.mountpoint);
    const data = hierarchy.controllers.join(',');
    steps.push(cgroupNamespace ? { kind: 'cgroup', target, data } : { kind: 'bind', source, target });
    for (const controller of hierarchy.controllers) {
      if (hierarchy.controllers.length > 1 && controller !== target) steps.push({ kind: 'symlink', text: target, target: controller });
    }
  }
  return steps;
}
