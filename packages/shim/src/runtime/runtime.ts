// What a shim needs of an OCI runtime. Two implement it: the library in this process (in-process.ts), which answers at once, and
// any other runtime through its command line (oci-cli.ts), which answers when a program has ended.
import type { LinuxResources, Process } from '@berth/oci/runtime-spec';
import type { CgroupStats } from '@berth/runtime/cgroup/cgroup';
import type { CreateOptions, ExecOptions, ExecResult } from '@berth/runtime/container-options';
import type { CheckpointOptions, RestoreOptions } from '@berth/runtime/criu/options';

export type Awaitable<T> = T | Promise<T>;

/** The container as @berth/runtime/container has it, each answer possibly later. */
export interface RuntimeContainer {
  /** 0 where a runtime restores a container as a whole at its start. */
  readonly pid: number;
  /** The terminal's master, the shim's to close; that of a restored container is there after its start. */
  readonly consoleMaster: number | undefined;
  start(): Awaitable<void>;
  kill(signal: number, options?: { all?: boolean }): Awaitable<void>;
  /** `execId` names what the runtime may have to put into files. */
  exec(process: Process, options: ExecOptions & { execId: string }): Awaitable<ExecResult>;
  pause(): Awaitable<void>;
  resume(): Awaitable<void>;
  update(resources: LinuxResources): Awaitable<void>;
  checkpoint(options: CheckpointOptions): Awaitable<void>;
  pids(): Awaitable<number[]>;
  stats(): Awaitable<CgroupStats>;
  /** How often the kernel has killed a process here for want of memory. */
  oomKills(): number;
  /** Calls `changed` when that may have grown. */
  watchOom(changed: () => void): Disposable;
  /** Init has been reaped, or `force` kills it. */
  delete(options?: { force?: boolean }): Awaitable<void>;
}

export type RuntimeCreate = Omit<CreateOptions, 'root'> & {
  /** It is made from these images, and goes on from there when it is started. */
  restore?: Pick<RestoreOptions, 'imagePath' | 'workPath'> | undefined;
};

export interface ShimRuntime {
  create(options: RuntimeCreate): Awaitable<RuntimeContainer>;
}
