// The default runtime: a library call in the shim's own process.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources, Process } from '@berth/oci/runtime-spec';
import type { CgroupStats } from '@berth/runtime/cgroup/cgroup';
import { watchOom } from '@berth/runtime/cgroup/oom-watch';
import { type Container, createContainer, finishRestore } from '@berth/runtime/container';
import type { CreateOptions, ExecOptions, ExecResult } from '@berth/runtime/container-options';
import type { CheckpointOptions } from '@berth/runtime/criu/options';
import { Restore } from '@berth/runtime/criu/restore';
import type { RuntimeContainer, RuntimeCreate, ShimRuntime } from './runtime.ts';

/** `root` is the directory with one state directory a container. */
export type InProcessOptions = Pick<CreateOptions, 'root' | 'noPivot' | 'noNewKeyring' | 'cgroupManager' | 'prepared'>;

export class InProcessRuntime implements ShimRuntime {
  readonly #options: InProcessOptions;

  constructor(options: InProcessOptions) {
    this.#options = options;
  }

  create({ restore, ...options }: RuntimeCreate): RuntimeContainer {
    if (restore) this.#options.prepared?.[Symbol.dispose]();
    if (restore) return new RestoringContainer(this.#options.root, Restore.begin({ ...this.#options, ...options, ...restore, ...ALLOWED }));
    return new InProcessContainer(createContainer({ ...this.#options, ...options }));
  }
}

/** Whoever made the checkpoint decided on these; the restore only has to let them be. */
const ALLOWED = { tcpEstablished: true, extUnixSockets: true, fileLocks: true } as const;

class InProcessContainer implements RuntimeContainer {
  readonly #container: Container;

  constructor(container: Container) {
    this.#container = container;
  }
  get pid(): number {
    return this.#container.pid;
  }
  get consoleMaster(): number | undefined {
    return this.#container.consoleMaster;
  }
  start(): void {
    this.#container.start();
  }
  kill(signal: number, options?: { all?: boolean }): void {
    this.#container.kill(signal, options);
  }
  exec(process: Process, options: ExecOptions): ExecResult {
    return this.#container.exec(process, options);
  }
  pause(): void {
    this.#container.pause();
  }
  resume(): void {
    this.#container.resume();
  }
  update(resources: LinuxResources): void {
    this.#container.update(resources);
  }
  checkpoint(options: CheckpointOptions): void {
    this.#container.checkpoint(options);
  }
  pids(): number[] {
    return this.#container.pids();
  }
  stats(): CgroupStats {
    return this.#container.stats();
  }
  oomKills(): number {
    return this.#container.cgroup().oomKills();
  }
  watchOom(changed: () => void): Disposable {
    return watchOom(this.#container.cgroup().location, changed);
  }
  delete(options?: { force?: boolean }): void {
    this.#container.delete(options);
  }
}

/** Its namespaces are made and nothing in them runs until it is started; from then on it is as any other. */
class RestoringContainer implements RuntimeContainer {
  readonly #root: string;
  readonly #restore: Restore;
  #container: InProcessContainer | undefined;

  constructor(root: string, restore: Restore) {
    this.#root = root;
    this.#restore = restore;
  }
  get pid(): number {
    return this.#restore.state.pid;
  }
  get consoleMaster(): number | undefined {
    return this.#container?.consoleMaster;
  }
  start(): void {
    if (this.#container) throw new EngineError('FailedPrecondition', 'cannot start an already running container', { layer: 'runtime' });
    try {
      this.#container = new InProcessContainer(finishRestore(this.#root, this.#restore));
    } catch (error) {
      this.#restore[Symbol.dispose]();
      throw error;
    }
  }
  /** What has not come back yet can only be given up. */
  kill(signal: number, options?: { all?: boolean }): void {
    if (this.#container) this.#container.kill(signal, options);
    else this.#restore[Symbol.dispose]();
  }
  exec(process: Process, options: ExecOptions): ExecResult {
    return this.#running().exec(process, options);
  }
  pause(): void {
    this.#running().pause();
  }
  resume(): void {
    this.#running().resume();
  }
  update(resources: LinuxResources): void {
    this.#running().update(resources);
  }
  checkpoint(options: CheckpointOptions): void {
    this.#running().checkpoint(options);
  }
  pids(): number[] {
    return this.#restore.cgroup.pids();
  }
  stats(): CgroupStats {
    return this.#restore.cgroup.stats();
  }
  oomKills(): number {
    return this.#restore.cgroup.oomKills();
  }
  watchOom(changed: () => void): Disposable {
    return watchOom(this.#restore.cgroup.location, changed);
  }
  delete(options?: { force?: boolean }): void {
    if (this.#container) this.#container.delete(options);
    else this.#restore[Symbol.dispose]();
  }
  #running(): InProcessContainer {
    if (this.#container) return this.#container;
    throw new EngineError('FailedPrecondition', 'the container is being restored: start it first', { layer: 'runtime' });
  }
}
