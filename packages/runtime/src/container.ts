// The runtime library's face: create a container from a bundle, and act on one that exists. Runs in the process of its
// caller (the shim, or berth-runtime), synchronously: no event loop and no thread pool is used, because the caller forks.
//
// Lifecycle (runtime-spec, runtime.md): creating → created → running ⇄ paused → stopped. The caller is the parent of init and
// of every exec'd process and reaps them with waitpid.
import { closeSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ContainerStatus, LinuxResources, Process, Spec, State } from '@berth/oci/runtime-spec';
import { kill, POLLIN, pidfdOpen, pidfdSendSignal, poll } from '@berth/sys/namespace';
import type { Span } from '@berth/trace/tracer';
import { validateResources } from './bundle.ts';
import type { Cgroup, CgroupStats } from './cgroup/cgroup.ts';
import { loadCgroup } from './cgroup/open.ts';
import type { ContainerState, CreateOptions, DeleteOptions, ExecOptions, ExecResult } from './container-options.ts';
import { create } from './create.ts';
import { checkpoint } from './criu/checkpoint.ts';
import type { CheckpointOptions, RestoreOptions } from './criu/options.ts';
import { Restore } from './criu/restore.ts';
import { exec } from './exec.ts';
import { openGate } from './gate.ts';
import { runHooks } from './hooks.ts';
import { isAlive } from './process-status.ts';
import { leaveResctrl, type RdtSchemas, updateResctrl } from './resource-director.ts';
import { fifoPath, readState, type SavedState, savedIds, stateDirectory, validateId, writeState } from './state-file.ts';

const SIGKILL = 9;
const KILL_TIMEOUT_MS = 10_000;

/**
 * One container. The object holds no kernel object open: it may be thrown away and loaded again, also by another process.
 * Errors are EngineErrors of the layer 'runtime' with runc's wordings ("container not running", "container … does not exist").
 */
export class Container {
  readonly id: string;
  /** Init's pid in the caller's pid namespace; it stays after init's death. */
  readonly pid: number;
  /** After createContainer with a terminal: the master side, the caller's to close. */
  readonly consoleMaster: number | undefined;
  readonly bundle: string;
  readonly spec: Spec;
  readonly #directory: string;
  readonly #saved: SavedState;

  constructor(root: string, saved: SavedState, consoleMaster?: number) {
    this.id = saved.id;
    this.pid = saved.pid;
    this.bundle = saved.bundle;
    this.spec = saved.spec;
    this.consoleMaster = consoleMaster;
    this.#directory = stateDirectory(root, saved.id);
    this.#saved = saved;
  }

  /**
   * Lets init execute the user's program. With poststart hooks it returns when that has happened; one that fails stops the container.
   * FailedPrecondition for a container that was started before.
   */
  start(options: { span?: Span } = {}): void {
    using _span = options.span?.child('runtime.start', 'runtime');
    const status = this.status();
    if (status === 'stopped')
      throw new EngineError('FailedPrecondition', 'cannot start a container that has stopped', { layer: 'runtime' });
    if (status !== 'created')
      throw new EngineError('FailedPrecondition', 'cannot start an already running container', { layer: 'runtime' });
    const poststart = this.spec.hooks?.poststart ?? [];
    openGate(fifoPath(this.#directory), { awaitProgram: poststart.length > 0 });
    try {
      runHooks('poststart', poststart, this.#hookState('running'));
    } catch (error) {
      this.#killAll(SIGKILL);
      throw error;
    }
  }

  /** Sends a signal, by its number, to init, or with `all` to every process in the cgroup. NotFound when init is dead, unless `all`. */
  kill(signal: number, options: { all?: boolean } = {}): void {
    if (options.all) {
      this.#killAll(signal);
      return;
    }
    if (!this.#initIsAlive() || !kill(this.pid, signal))
      throw new EngineError('NotFound', 'container not running', { layer: 'runtime', details: { id: this.id } });
    // Frozen processes do not die.
    if (signal === SIGKILL && this.cgroup().frozen()) this.cgroup().thaw();
  }

  /** Returns when the program has been executed; the new process is the caller's child. */
  exec(process: Process, options: ExecOptions): ExecResult {
    const status = this.status();
    if (status === 'stopped') throw new EngineError('FailedPrecondition', 'cannot exec in a stopped container', { layer: 'runtime' });
    if (status === 'paused' && !options.ignorePaused)
      throw new EngineError('FailedPrecondition', 'cannot exec in a paused container (use --ignore-paused to override)', {
        layer: 'runtime',
      });
    return exec(dirname(this.#directory), this.#saved, process, options);
  }

  /** Freezes the cgroup and returns when it is frozen. FailedPrecondition unless created or running. */
  pause(): void {
    const status = this.status();
    if (status !== 'running' && status !== 'created')
      throw new EngineError('FailedPrecondition', 'container not running', { layer: 'runtime' });
    this.cgroup().freeze();
  }

  /** FailedPrecondition unless paused. */
  resume(): void {
    if (this.status() !== 'paused') throw new EngineError('FailedPrecondition', 'container not paused', { layer: 'runtime' });
    this.cgroup().thaw();
  }

  /**
   * Other limits, in config.json's form, and shares of cache and memory bandwidth; what is not named stays. InvalidArgument, naming file and
   * value, for what the kernel refuses.
   */
  update(resources: LinuxResources, shares: RdtSchemas = {}): void {
    if (this.status() === 'stopped') throw new EngineError('FailedPrecondition', 'container not running', { layer: 'runtime' });
    validateResources(resources);
    const linux = { ...this.#saved.spec.linux };
    if (shares.l3CacheSchema || shares.memBwSchema) linux.intelRdt = updateResctrl(linux.intelRdt, shares, this.id, this.pid);
    this.cgroup().apply(resources, 'update');
    this.#saved.spec.linux = { ...linux, resources: mergeResources(linux.resources ?? {}, resources) };
    writeState(this.#directory, this.#saved);
  }

  /** Saves it into images; without `leaveRunning` or `preDump` it has stopped then. A failure leaves it as it was. */
  checkpoint(options: CheckpointOptions): void {
    const status = this.status();
    if (status !== 'running' && status !== 'paused')
      throw new EngineError('FailedPrecondition', `Container cannot be checkpointed in ${status} state`, { layer: 'runtime' });
    const { paths, version } = this.#saved.cgroup;
    checkpoint(this.#saved, options, version === 2 ? paths[''] : paths.freezer);
  }

  /** Of all processes in the cgroup, in the caller's pid namespace. */
  pids(): number[] {
    return this.cgroup().pids();
  }

  /** The cgroup's measurements at this moment. */
  stats(): CgroupStats {
    return this.cgroup().stats();
  }

  /** Where its cgroup is (for OOM events and the like). */
  cgroup(): Cgroup {
    return loadCgroup(this.#saved.cgroup);
  }

  /** Asked of the kernel each time: init's start time, exec.fifo, the freezer. */
  status(): ContainerStatus {
    if (this.pid === 0) return 'creating';
    if (!this.#initIsAlive()) return 'stopped';
    if (existsSync(fifoPath(this.#directory))) return 'created';
    return this.cgroup().frozen() ? 'paused' : 'running';
  }

  /** What runtime-spec calls the state. The pid of a stopped container is 0. */
  state(): ContainerState {
    const status = this.status();
    const { rootfs, created, owner } = this.#saved;
    const state: ContainerState = {
      ociVersion: this.spec.ociVersion,
      id: this.id,
      pid: status === 'stopped' ? 0 : this.pid,
      status,
      bundle: this.bundle,
      rootfs,
      created,
      owner: userName(owner),
    };
    if (this.spec.annotations) state.annotations = this.spec.annotations;
    return state;
  }

  /**
   * Removes cgroup and state directory, and runs the poststop hooks. The caller has reaped init, or another process did. A created
   * container is ended; FailedPrecondition for one that runs, unless `force`.
   */
  delete(options: DeleteOptions = {}): void {
    const status = this.status();
    if (status !== 'stopped') {
      if (!options.force && status !== 'created')
        throw new EngineError('FailedPrecondition', `cannot delete container ${this.id} that is not stopped: ${status}`, {
          layer: 'runtime',
        });
      this.#end();
    }
    const cgroup = this.cgroup();
    // Without a pid namespace of its own a container's other processes outlive its init.
    if (!this.spec.linux?.namespaces?.some((namespace) => namespace.type === 'pid' && !namespace.path)) cgroup.kill();
    cgroup.remove();
    if (this.spec.linux?.intelRdt) leaveResctrl(this.spec.linux.intelRdt, this.id);
    rmSync(this.#directory, { recursive: true, force: true });
    try {
      runHooks('poststop', this.spec.hooks?.poststop, this.#hookState('stopped'));
    } catch (error) {
      // The container is gone already: the specification wants a warning and nothing else.
      process.emitWarning((error as Error).message);
    }
  }

  /** SIGKILL, and waits until init is dead: a zombie is, its parent may be anybody. */
  #end(): void {
    if (this.pid === 0) {
      this.cgroup().kill();
      return;
    }
    let pidfd: number;
    try {
      pidfd = pidfdOpen(this.pid);
    } catch {
      return;
    }
    try {
      if (!this.#initIsAlive()) return;
      pidfdSendSignal(pidfd, SIGKILL);
      const cgroup = this.cgroup();
      if (cgroup.frozen()) cgroup.thaw();
      if (!poll(pidfd, POLLIN, KILL_TIMEOUT_MS))
        throw new EngineError('DeadlineExceeded', `container ${this.id} is still running 10 s after SIGKILL`, { layer: 'runtime' });
    } finally {
      closeSync(pidfd);
    }
  }

  #killAll(signal: number): void {
    const cgroup = this.cgroup();
    if (signal === SIGKILL) cgroup.kill();
    else for (const pid of cgroup.pids()) kill(pid, signal);
  }

  #initIsAlive(): boolean {
    return this.pid !== 0 && isAlive(this.pid, this.#saved.startTime);
  }

  #hookState(status: ContainerStatus): State {
    const state: State = {
      ociVersion: this.spec.ociVersion,
      id: this.id,
      status,
      pid: status === 'stopped' ? 0 : this.pid,
      bundle: this.bundle,
    };
    if (this.spec.annotations) state.annotations = this.spec.annotations;
    return state;
  }
}

/** Top-level controllers are merged field by field: an update names only what changes. */
function mergeResources(old: LinuxResources, update: LinuxResources): LinuxResources {
  return {
    ...old,
    ...update,
    memory: { ...old.memory, ...update.memory },
    cpu: { ...old.cpu, ...update.cpu },
    pids: { ...old.pids, ...update.pids },
    blockIO: { ...old.blockIO, ...update.blockIO },
    unified: { ...old.unified, ...update.unified },
  };
}

function userName(uid: number): string {
  try {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , id] = line.split(':');
      if (name && id === String(uid)) return name;
    }
  } catch {}
  return '';
}

/**
 * Makes a container: returns once its init is set up and waits for start. Everything is undone when a step fails.
 * The caller must be init's reaper: init is a direct child of the calling process.
 */
export function createContainer(options: CreateOptions): Container {
  const { state, master } = create(options);
  return new Container(options.root, state, master);
}

/** A container from the images of a checkpoint: it runs when it returns. As with create, init is a child of the calling process. */
export function restoreContainer(options: CreateOptions & RestoreOptions): Container {
  using restore = Restore.begin(options);
  return finishRestore(options.root, restore);
}

/** The second half of a restore that was begun: its processes run. */
export function finishRestore(root: string, restore: Restore): Container {
  const { state, master } = restore.finish();
  return new Container(root, state, master);
}

/** An existing container by its state directory; NotFound when there is none. */
export function loadContainer(root: string, id: string): Container {
  return new Container(root, readState(root, id));
}

/** Every container below `root`, in order of their ids; broken state directories are left out. */
export function listContainers(root: string): Container[] {
  return savedIds(root).flatMap((id) => {
    try {
      return [loadContainer(root, id)];
    } catch {
      return [];
    }
  });
}

/** Removes what is left of a container whose state file was never written, or lost: only `delete --force` does that. */
export function removeRemains(root: string, id: string): void {
  validateId(id);
  rmSync(stateDirectory(root, id), { recursive: true, force: true });
}
