// The runtime library's face: create a container from a bundle, and act on one that exists. Runs in the process of its
// caller (the shim, or berth-runtime), synchronously: no event loop and no thread pool is used, because the caller forks.
//
// Lifecycle (runtime-spec, runtime.md): creating → created → running ⇄ paused → stopped. The caller is the parent of init and
// of every exec'd process and reaps them with waitpid.
import type { LinuxResources, Process, Spec, State } from '@berth/oci/runtime-spec';
import type { Span } from '@berth/trace/tracer';
import type { Cgroup, CgroupStats } from './cgroup/cgroup.ts';

/** A mount as containerd describes it (api/types/mount.proto). */
export interface MountPoint {
  type: string;
  source: string;
  /** Below the root filesystem; empty for the root itself. */
  target?: string;
  options: string[];
}

/** Descriptors that become 0, 1 and 2, or a new pseudo-terminal. */
export type Stdio = { stdin: number; stdout: number; stderr: number } | { terminal: true };

export interface CreateOptions {
  /** Letters, digits and `_+-.`, as runc allows. */
  id: string;
  /** Absolute path of the bundle. */
  bundle: string;
  /** The directory that holds one state directory a container. */
  root: string;
  /** The bundle's config.json, when the caller has it already. */
  spec?: Spec;
  /** Mounted at the root's path by init, inside its own mount namespace: the host never sees them. */
  rootfsMounts?: MountPoint[];
  stdio: Stdio;
  noPivot?: boolean;
  noNewKeyring?: boolean;
  /** Descriptors 3 … 2 + n are passed on. */
  preserveFds?: number;
  cgroupManager?: 'cgroupfs' | 'systemd';
  /** Parent of the runtime's spans. */
  span?: Span;
}

export interface ExecOptions {
  stdio: Stdio;
  preserveFds?: number;
  /** Exec into a paused container instead of refusing. */
  ignorePaused?: boolean;
  /** Path below the container's own cgroup. */
  cgroup?: string;
  span?: Span;
}

export interface ExecResult {
  pid: number;
  /** The master of the pseudo-terminal, when one was asked for; close-on-exec, the caller's from here on. */
  consoleMaster?: number;
}

export interface DeleteOptions {
  /** Kill a container that still runs, and succeed for one that does not exist. */
  force?: boolean;
}

/** What `state` and `list` print: the specification's state with runc's additions. */
export interface ContainerState extends State {
  rootfs: string;
  /** RFC 3339 with nanoseconds. */
  created: string;
  owner: string;
}

/**
 * One container. The object holds no kernel object open: it may be thrown away and loaded again, also by another process.
 * Errors are EngineErrors of the layer 'runtime' with runc's wordings ("container not running", "container … does not exist").
 */
export declare class Container {
  readonly id: string;
  /** Init's pid in the caller's pid namespace; it stays after init's death. */
  readonly pid: number;
  /** After createContainer with a terminal: the master side, the caller's to close. */
  readonly consoleMaster: number | undefined;
  readonly bundle: string;
  readonly spec: Spec;
  /** Lets init execute the user's program; returns when it has. */
  start(): void;
  /** `all`: every process of the container, by its cgroup. */
  kill(signal: number, options?: { all?: boolean }): void;
  /** Returns when the program has been executed; the new process is the caller's child. */
  exec(process: Process, options: ExecOptions): ExecResult;
  pause(): void;
  resume(): void;
  update(resources: LinuxResources): void;
  pids(): number[];
  stats(): CgroupStats;
  /** Where its cgroup is (for OOM events and the like). */
  cgroup(): Cgroup;
  state(): ContainerState;
  /** Cgroup, state directory, poststop hooks. The caller has reaped init, or another process did. */
  delete(options?: DeleteOptions): void;
}

/**
 * Makes a container: returns once its init is set up and waits for start. Everything is undone when a step fails.
 * The caller must be init's reaper: init is a direct child of the calling process.
 */
export declare function createContainer(options: CreateOptions): Container;
/** An existing container by its state directory; NotFound when there is none. */
export declare function loadContainer(root: string, id: string): Container;
/** Every container below `root`, in order of their ids; broken state directories are left out. */
export declare function listContainers(root: string): Container[];
