// One container: the record that outlives the daemon, and what this process knows of it beside that (its lock, who waits for it,
// who is attached, its execs). All changes of `record.state` go through the methods here, which also wake the waiters.
//
//   created ──start──> running <──pause/unpause──> paused
//      │                  │  ^
//      │                 exit │ start, or the restart policy
//      └──remove──> removing <── exited

import { EventEmitter } from 'node:events';
import type { ContainerState, Health, MountPoint } from '@berth/api/container';
import { ZERO_TIME } from '@berth/api/container';
import type { ContainerConfig, HostConfig } from '@berth/api/host-config';
import type { EndpointSettings } from '@berth/api/network';
import { isDatabaseFull } from '@berth/errdefs/engine-error';
import type { EndpointRecord } from '@berth/network/driver';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import type { ExecInstance } from '../exec/exec-instance.ts';
import { Lock } from '../state/lock.ts';
import type { TaskIo } from './task/task-io.ts';

/** A mount of the container as it was settled at creation. */
export interface ContainerMount extends MountPoint {
  /** While it runs: what is really mounted, where that is not `Source`. */
  at?: string;
  /** Fill an empty volume with what the image has at this place. */
  copyUp?: boolean;
  /** Of a volume or an image, the directory or file in it that is mounted. */
  subpath?: string;
  /** An image's chain id. */
  imageLayers?: string;
  nonRecursive?: boolean;
  /** Read-only without what is mounted below it. */
  readOnlyNonRecursive?: boolean;
  /** Made for this container alone: removed with it when `v=1` or AutoRemove. */
  anonymous?: boolean;
  /** tmpfs: mount options. */
  options?: string[];
}

export interface StateRecord {
  phase: 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing' | 'dead';
  pid: number;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
  /** Stopped by a person: `unless-stopped` and the restart policies leave it alone. */
  stoppedByUser: boolean;
  restartCount: number;
  health?: Health;
  /** The exec of a health probe that is under way: a daemon that dies leaves it to the next one. */
  probe?: string;
}

export interface ContainerRecord {
  readonly id: string;
  name: string;
  readonly created: string;
  /** Digest of the image's configuration. */
  readonly imageId: string;
  readonly chainId: string;
  /** The quota of its own files, where they have one. */
  project?: number;
  readonly platform: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** What was asked of each network, by its name. */
  readonly networks: Record<string, EndpointSettings>;
  readonly mounts: readonly ContainerMount[];
  /** Endpoints that are held now; empty unless it runs. */
  endpoints: EndpointRecord[];
  readonly logPath: string;
  /** The trace of its last start. */
  traceId?: string;
  readonly state: StateRecord;
}

export interface ExitStatus {
  readonly code: number;
  readonly error?: string;
}

interface ContainerSignals {
  exit: [ExitStatus];
  startFailed: [];
  removed: [ExitStatus];
}

export class Container {
  readonly record: ContainerRecord;
  readonly lock = new Lock();
  /** `exit` when its process has ended and its restart policy lets it be; `startFailed` when there never was one; `removed` once. */
  readonly signals = new EventEmitter<ContainerSignals>();
  readonly execs = new Map<string, ExecInstance>();
  /** The input and output of its process, while there is one. */
  io: TaskIo | undefined;
  /** Answers its questions for names, on user-defined networks. */
  names: Disposable | undefined;
  /** Clients that attached before the start: connected to the output before the process runs. */
  readonly pendingAttachments = new Set<(socketPath: string) => Promise<void>>();
  /** The mounts that make its root file system, once they are known. */
  rootfs: readonly Mount[] | undefined;
  /** The specification that the lifecycle service has, as JSON. */
  sentSpec: string | undefined;
  /** The root file system is being prepared, or is. */
  prepared: Promise<void> | undefined;
  /** What the end of its last process left to do; settles always. */
  cleanup: Promise<void> = Promise.resolve();
  /** The last wait of its restart policy, ms. */
  restartDelay = 0;
  /** Aborts a restart that waits for its turn. */
  restartTimer: AbortController | undefined;
  readonly #save: (record: ContainerRecord) => void;

  constructor(record: ContainerRecord, save: (record: ContainerRecord) => void) {
    this.record = record;
    this.#save = save;
    this.signals.setMaxListeners(0);
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.name;
  }

  /** A process of it exists (it may be paused). */
  get running(): boolean {
    const { phase } = this.record.state;
    return phase === 'running' || phase === 'paused';
  }

  get restarting(): boolean {
    return this.record.state.phase === 'restarting';
  }

  get terminal(): boolean {
    return this.record.config.Tty === true;
  }

  save(): void {
    this.#save(this.record);
  }

  /** As save(), for what is so whether it can be kept or not: without space on the disk it is kept with the next change. */
  keep(): void {
    try {
      this.save();
    } catch (error) {
      if (!isDatabaseFull(error)) throw error;
    }
  }

  setRunning(pid: number, startedAt: string): void {
    Object.assign(this.record.state, { phase: 'running', pid, exitCode: 0, error: '', oomKilled: false, startedAt, stoppedByUser: false });
    this.save();
  }

  setPaused(paused: boolean): void {
    this.record.state.phase = paused ? 'paused' : 'running';
    this.save();
  }

  /** The process has ended. `restarting` keeps waiters for `not-running` waiting. */
  setExited(code: number, finishedAt: string, restarting: boolean): void {
    const { state } = this.record;
    Object.assign(state, { phase: restarting ? 'restarting' : 'exited', pid: 0, exitCode: code, finishedAt });
    if (restarting) state.restartCount++;
    this.keep();
    if (!restarting) this.signals.emit('exit', { code });
  }

  /** The start failed before there was a process. */
  setStartFailed(code: number, error: string): void {
    Object.assign(this.record.state, { pid: 0, exitCode: code, error });
    if (this.record.state.phase !== 'created') this.record.state.phase = 'exited';
    this.keep();
    this.signals.emit('startFailed');
  }

  get exit(): ExitStatus {
    const { exitCode, error } = this.record.state;
    return error ? { code: exitCode, error } : { code: exitCode };
  }

  /** As inspect shows it. */
  describeState(): ContainerState {
    const { state } = this.record;
    const running = this.running || this.restarting;
    return {
      Status: state.phase,
      Running: running,
      Paused: state.phase === 'paused',
      Restarting: this.restarting,
      OOMKilled: state.oomKilled,
      Dead: state.phase === 'dead',
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(state.health ? { Health: state.health } : {}),
    };
  }
}

export function initialState(): StateRecord {
  return {
    phase: 'created',
    pid: 0,
    exitCode: 0,
    error: '',
    oomKilled: false,
    startedAt: ZERO_TIME,
    finishedAt: ZERO_TIME,
    stoppedByUser: false,
    restartCount: 0,
  };
}
