// Which cgroup a container gets: the host's layout is detected here, and nowhere else.
//
// Called by the runtime's parent process. The path rules are runc's: an absolute cgroupsPath counts from the root of the
// hierarchy, a relative one from the caller's own cgroup, and none at all means `/<id>`.
import type { Cgroup, CgroupLocation } from './cgroup.ts';

export interface OpenCgroupOptions {
  id: string;
  /** linux.cgroupsPath of the bundle. */
  cgroupsPath?: string;
  /** Only 'cgroupfs' has a driver so far; 'systemd' is refused with a clear error. */
  driver?: 'cgroupfs' | 'systemd';
  /** As an unprivileged user: hierarchies that refuse to make the directory are left out instead of failing. */
  rootless?: boolean;
}

/** The cgroup that a new container is to have; nothing is made until `create`. */
export declare function openCgroup(options: OpenCgroupOptions): Cgroup;

/** The cgroup of an existing container, from what its state file kept. */
export declare function loadCgroup(location: CgroupLocation): Cgroup;
