// Everything that a container's init will do, worked out by the parent before it forks: the child inherits these objects in memory
// and only makes system calls. Nothing here is serialized: an init that was forked ahead works it out itself (prepared-init.ts).
import type { Hook, Linux, Process, Spec, State } from '@berth/oci/runtime-spec';
import { CLONE } from '@berth/sys/namespace';
import type { CapabilitySets } from './capabilities.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import type { CgroupMountStep } from './cgroup/mount-plan.ts';
import type { ParsedMountOptions } from './mount-options.ts';
import type { IdMapPlan } from './mount-sources.ts';
import type { ResolvedRlimit } from './rlimits.ts';
import type { Filter } from './seccomp/filter.ts';

export const NAMESPACE_FLAGS = {
  user: CLONE.NEWUSER,
  mount: CLONE.NEWNS,
  uts: CLONE.NEWUTS,
  ipc: CLONE.NEWIPC,
  network: CLONE.NEWNET,
  pid: CLONE.NEWPID,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME,
} as const;

/** Descriptors for 0, 1 and 2, or a terminal of the container's own devpts. */
export type StdioPlan = { stdin: number; stdout: number; stderr: number } | { terminal: { height: number; width: number } | undefined };

/** What is set on any process of a container right before execve: init's and exec's alike. */
export interface ProcessPlan {
  process: Process;
  args: string[];
  env: string[];
  capabilities: CapabilitySets | undefined;
  /** The number of capabilities that the kernel knows. */
  lastCapability: number;
  filter: Filter | undefined;
  stdio: StdioPlan;
  /** Descriptors 3 … 2 + n stay open. */
  preserveFds: number;
  rlimits: ResolvedRlimit[];
  linux: Linux | undefined;
  /** The caller's own setgroups is denied (user namespace of an unprivileged user). */
  setgroupsDenied: boolean;
}

export interface MountPlan {
  destination: string;
  type: string;
  /** Bind sources are absolute. */
  source: string;
  options: ParsedMountOptions;
  idMap?: IdMapPlan;
  /** The source as a detached mount, where the parent had to make it. */
  tree?: number;
}

export interface InitPlan extends ProcessPlan {
  id: string;
  spec: Spec;
  bundle: string;
  rootfs: string;
  /** Made at the root's path first (containerd's mounts). */
  rootfsMounts: MountPlan[];
  mounts: MountPlan[];
  cgroupMounts: CgroupMountStep[];
  /** New namespaces that clone makes. */
  cloneFlags: number;
  /** New namespaces that init makes later: the cgroup's, once it is in its cgroup, and the clock's. */
  lateFlags: number;
  /** Namespaces to join, in this order: descriptors with their flags. */
  joins: { fd: number; flag: number }[];
  has: { user: boolean; mount: boolean; network: boolean; pid: boolean; uts: boolean };
  /** The parent has things to do first that init has no right to: in a user namespace. */
  waitsForParent: boolean;
  /** Joined by init itself, which is cheaper, where it may. */
  joinCgroup: Cgroup | undefined;
  /** Becomes readable when the container is started. */
  gate: number;
  /** A filter that is loaded before init waits denies close_range(2): it closes one descriptor after the other, up to this one. */
  closesUpTo: number | undefined;
  noPivot: boolean;
  noNewKeyring: boolean;
  /** The state that hooks get, but for its status and pid. */
  hookState: State;
  hooks: { createContainer: Hook[]; startContainer: Hook[]; runtime: boolean };
}
