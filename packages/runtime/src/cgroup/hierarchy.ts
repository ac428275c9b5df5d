// The host's cgroup hierarchies, as /proc/self/mountinfo and /proc/self/cgroup tell them.
//
// Read by the runtime's parent process, and by `info`. Facts: cgroups(7), proc_pid_mountinfo(5).

/** unified: only cgroup v2. hybrid: v1 controllers beside a v2 hierarchy for processes. legacy: v1 alone. none: no cgroup mounted. */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none';

export interface Hierarchy {
  /** 2: controllers are read from its cgroup.controllers. */
  version: 1 | 2;
  mountpoint: string;
  /** Controllers of one v1 hierarchy, e.g. ['cpu','cpuacct'] or ['name=systemd']; of v2, those its root offers. */
  controllers: string[];
  /** Which directory of the hierarchy is mounted; '/' unless in a container without a cgroup namespace. */
  root: string;
}

export declare function cgroupMode(): CgroupMode;
/** Every mounted hierarchy, in mount order; this is what a mount of the type `cgroup` is laid out after. */
export declare function hierarchies(): Hierarchy[];
/** Names of every controller that containers can be limited by here: ['cpu','memory',…]. */
export declare function mountedControllers(): string[];
/** The caller's cgroup by controller ('' is v2), from /proc/self/cgroup (or another process' file). */
export declare function ownCgroups(pid?: number | 'self'): Record<string, string>;
