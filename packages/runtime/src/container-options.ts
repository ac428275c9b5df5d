// What callers of the runtime library give and get: options of create and exec, the streams, the state.
import type { Spec, State } from '@berth/oci/runtime-spec';
import type { Span } from '@berth/trace/tracer';
import type { PreparedInit } from './prepared-init.ts';

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
  /** Told of what is odd but no error. */
  warn?: (message: string) => void;
  /**
   * Called while init sets itself up, for what the caller has to do in any case and would otherwise do afterwards; once more when that
   * init crashed and another was born. What it throws undoes the container.
   */
  born?: (pid: number) => void;
  /** Becomes the container's init where it suits; used up in every case. */
  prepared?: PreparedInit;
  /** Parent of the runtime's spans. */
  span?: Span;
}

export interface ExecOptions {
  stdio: Stdio;
  preserveFds?: number;
  /** Exec into a paused container instead of refusing. */
  ignorePaused?: boolean;
  /** Each `[controller[,controller…]:]path`: an existing cgroup below the container's own. */
  cgroup?: readonly string[];
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
