// The default runtime: a library call in the shim's own process.
import type { LinuxResources, Process } from '@berth/oci/runtime-spec';
import type { CgroupStats } from '@berth/runtime/cgroup/cgroup';
import { watchOom } from '@berth/runtime/cgroup/oom-watch';
import { type Container, type CreateOptions, createContainer, type ExecOptions, type ExecResult } from '@berth/runtime/container';
import type { RuntimeContainer, RuntimeCreate, ShimRuntime } from './runtime.ts';

/** `root` is the directory with one state directory a container. */
export type InProcessOptions = Pick<CreateOptions, 'root' | 'noPivot' | 'noNewKeyring' | 'cgroupManager'>;

export class InProcessRuntime implements ShimRuntime {
  readonly #options: InProcessOptions;

  constructor(options: InProcessOptions) {
    this.#options = options;
  }

  create(options: RuntimeCreate): RuntimeContainer {
    return new InProcessContainer(createContainer({ ...this.#options, ...options }));
  }
}

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
