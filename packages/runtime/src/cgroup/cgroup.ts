// The cgroup of one container: the interface that both kernel generations implement (v1.ts, v2.ts), and its measurements.
//
// Called synchronously by the runtime's parent process (create, update, delete) and by a container's init (join), so nothing
// here uses the event loop. Facts: runtime-spec config-linux.md "Control groups", the kernel's cgroup-v1/ and cgroup-v2.rst.
import type { LinuxResources } from '@berth/oci/runtime-spec';
import type { Unit } from './systemd/unit.ts';

/** A new container's device access is closed but for the rules and the devices that every container has; an update leaves it. */
export type ApplyPurpose = 'create' | 'update';

/** What a runtime keeps in its state file to find the cgroup again: the place is not computed a second time. */
export interface CgroupLocation {
  version: 1 | 2;
  /** From the root of every hierarchy, e.g. `/docker/4f…`: what the container's own /proc/self/cgroup says. */
  relative: Readonly<Record<string, string>>;
  /** Absolute directory by controller (`memory`, `cpu`, `name=systemd`); the unified hierarchy's key is ''. */
  paths: Readonly<Record<string, string>>;
  /** The unit whose cgroup it is, where systemd makes it. */
  unit?: Unit;
}

export interface CreatedCgroup {
  /** There was one already. */
  existed: boolean;
  /** The directories above it that were not there. */
  parents: readonly string[];
}

/**
 * One container's cgroup. Life: `create` → `apply` → `join` → … → `remove` (limits first: a real-time budget or cpuset must be there before a process is); `create` undoes itself when it fails.
 * Every method works on the live kernel object, nothing is cached. Errors are EngineErrors of the layer 'runtime' that name
 * the file that refused.
 */
export interface Cgroup {
  readonly location: CgroupLocation;
  /** It comes into being with its first process: `join` by the parent, and only then `apply`. */
  readonly needsProcess: boolean;
  /**
   * Makes the directories (parents too) and readies their controllers. Existing ones are taken over, unless they are frozen.
   */
  create(): CreatedCgroup;
  /** Moves a process (all threads) into every hierarchy; 0 is the caller. */
  join(pid: number): void;
  /**
   * Moves the caller, a forked child of one thread that was born in `location.paths['']` (clone3 with CLONE_INTO_CGROUP), into what
   * is left. Neither way takes the kernel's threadgroup lock, whose first taker waits some 7 ms for an RCU grace period.
   */
  joinAsThread(): void;
  /** The files by which `joinAsThread` does it, for a child that runs no JavaScript: it writes 0 to each. */
  taskFiles(): string[];
  /** Sets the limits that `resources` names and leaves the others. Devices are restricted at create, and only then. */
  apply(resources: LinuxResources, purpose: ApplyPurpose): void;
  /** Stops every process; returns once the kernel says they all are. */
  freeze(): void;
  thaw(): void;
  frozen(): boolean;
  /** SIGKILL to everything in the cgroup and below, frozen processes included. Processes are not reaped here. */
  kill(): void;
  /** Every process in the cgroup and below, as pids of the caller's pid namespace. */
  pids(): number[];
  /** How many times the kernel killed something here for want of memory. */
  oomKills(): number;
  stats(): CgroupStats;
  exists(): boolean;
  /** Removes the directories, children first; none is not an error. Busy ones (a process still exiting) are retried briefly. */
  remove(): void;
}

/** Bytes and nanoseconds, whichever the kernel's generation; what the kernel does not offer is left out. */
export interface CgroupStats {
  version: 1 | 2;
  cpu?: CpuStats;
  memory?: MemoryStats;
  /** `limit` is Infinity when there is none. */
  pids?: { current: number; limit: number };
  io?: IoStats;
  /** By page size as the kernel writes it, e.g. `2MB`. */
  hugetlb?: Record<string, { usage: number; max: number; failures: number }>;
}

export interface CpuStats {
  usageNs: number;
  userNs: number;
  systemNs: number;
  /** v1 only: usage by CPU number. */
  perCpuNs?: number[];
  periods: number;
  throttledPeriods: number;
  throttledNs: number;
  pressure?: Pressure;
}

export interface MemoryStats {
  usage: number;
  /** High-water mark, where the kernel keeps one. */
  maxUsage?: number;
  /** Infinity when unlimited. */
  limit: number;
  /** v1: how often the limit was hit; v2: memory.events' `max`. */
  failures: number;
  oomKills: number;
  /** v1: memory and swap together; v2: swap alone. */
  swap?: { usage: number; limit: number; maxUsage?: number; failures: number };
  kernel?: { usage: number; limit: number; maxUsage?: number; failures: number };
  /** memory.stat, by the kernel's own names. */
  stat: Record<string, number>;
  pressure?: Pressure;
}

/** One figure of one block device; `op` is Read, Write, Sync, Async, Discard or Total. */
export interface IoEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}

export interface IoStats {
  bytes: IoEntry[];
  operations: IoEntry[];
  pressure?: Pressure;
}

/** Pressure stall information (cgroup v2): shares of time in percent, totals in microseconds. */
export interface Pressure {
  some: PressureLine;
  full?: PressureLine;
}

export interface PressureLine {
  avg10: number;
  avg60: number;
  avg300: number;
  total: number;
}
