// The container that a shim keeps: init, its execs, and what happens to them, in the order in which it is told:
// create < start < exit < delete for each process. A shim has one, or those of a group.
import { join } from 'node:path';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources, Process } from '@berth/oci/runtime-spec';
import * as events from '@berth/rpc/gen/containerd/events/task';
import type { CreateTaskRequest } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import type { CgroupStats } from '@berth/runtime/cgroup/cgroup';
import type { CheckpointOptions } from '@berth/runtime/criu/options';
import type { Exit } from '@berth/sys/wait';
import type { Span } from '@berth/trace/tracer';
import type { EventPublisher } from '../events/publisher.ts';
import type { Reaper } from '../process/reaper.ts';
import { Tidy } from '../process/tidy.ts';
import type { Awaitable, RuntimeContainer, ShimRuntime } from '../runtime/runtime.ts';
import { ProcessStdio, type StdioNames } from '../stdio/process-stdio.ts';
import { restoreOptions } from './checkpoint.ts';
import { OomWatch } from './oom-watch.ts';
import { PidFile } from './pid-file.ts';
import { type ProcessExit, TaskProcess } from './process.ts';

export interface TaskHost {
  namespace: string;
  reaper: Reaper;
  events: EventPublisher;
  /** Takes one line for people. */
  log: (message: string) => void;
}

/** Milliseconds that Delete waits for the last output of a process. */
const DELETE_PATIENCE = 2500;

export class Task {
  readonly id: string;
  readonly bundle: string;
  readonly init: TaskProcess;
  readonly #host: TaskHost;
  readonly #container: RuntimeContainer;
  readonly #execs = new Map<string, TaskProcess>();
  readonly #tidy = new Tidy();
  readonly #execSpecs = new Map<TaskProcess, Process>();
  readonly #oom: OomWatch;
  /** It comes from a checkpoint: its terminal, and with some runtimes its pid, are there when it has started. */
  readonly #restored: boolean;
  readonly #pidFile: PidFile;

  private constructor(host: TaskHost, request: CreateTaskRequest, init: TaskProcess, container: RuntimeContainer, pidFile: PidFile) {
    this.id = request.id;
    this.bundle = request.bundle;
    this.init = init;
    this.#host = host;
    this.#container = container;
    this.#pidFile = pidFile;
    this.#oom = new OomWatch({
      container,
      tell: () => host.events.publish('/tasks/oom', events.TaskOOM, { containerId: this.id }),
      log: (message) => host.log(`${this.id}: ${message}`),
    });
    this.#restored = request.checkpoint !== '';
  }

  static async create(host: TaskHost, runtime: ShimRuntime, request: CreateTaskRequest, span: Span | undefined): Promise<Task> {
    using undo = new DisposableStack();
    const stdio = undo.use(
      during(span, 'shim.stdio', () => ProcessStdio.open(request, { namespace: host.namespace, id: request.id }, host.log)),
    );
    const init = new TaskProcess('', stdio);
    const pidFile = undo.use(new PidFile(join(request.bundle, 'init.pid')));
    const container = await telling('create', () =>
      runtime.create({
        id: request.id,
        bundle: request.bundle,
        rootfsMounts: request.rootfs,
        stdio: stdio.forProcess,
        restore: restoreOptions(request),
        born(pid) {
          pidFile.draft(pid);
          stdio.adoptPipes();
        },
        span,
      }),
    );
    const task = new Task(host, request, init, container, pidFile);
    // A client that takes events for orders must find the task: it is told after this.
    if (!task.#restored) stdio.started(container.consoleMaster);
    if (container.pid !== 0) task.#born();
    host.events.publishSoon('/tasks/create', events.TaskCreate, {
      containerId: request.id,
      bundle: request.bundle,
      rootfs: request.rootfs,
      io: { stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, terminal: request.terminal },
      checkpoint: request.checkpoint,
      pid: init.pid,
    });
    // Another runtime restores a container as a whole at its start.
    if (init.pid !== 0) task.#watchInit();
    undo.move();
    return task;
  }

  /** Init for '', an exec by its id. */
  process(execId: string): TaskProcess {
    if (execId === '') return this.init;
    const exec = this.#execs.get(execId);
    if (!exec) throw new EngineError('NotFound', `process does not exist ${execId}: not found`, { layer: 'shim' });
    return exec;
  }

  async start(execId: string, span: Span | undefined): Promise<number> {
    const process = this.process(execId);
    if (execId !== '') return this.#startExec(process, span);
    if (this.init.status !== Status.CREATED) {
      throw new EngineError('FailedPrecondition', `cannot start a container that is ${nameOf(this.init.status)}`, { layer: 'shim' });
    }
    this.init.starting();
    try {
      await telling(this.#restored ? 'restore' : 'start', () => during(span, 'runtime.start', () => this.#container.start(), 'runtime'));
      this.init.status = Status.RUNNING;
      if (this.#restored) this.#wasRestored();
      this.#oom.start();
      this.#host.events.publishSoon('/tasks/start', events.TaskStart, { containerId: this.id, pid: this.init.pid });
    } finally {
      this.init.announce();
    }
    return this.init.pid;
  }

  addExec(execId: string, spec: Process, names: StdioNames): void {
    if (execId === '') throw new EngineError('InvalidArgument', 'an exec needs an id', { layer: 'shim' });
    if (this.#execs.has(execId)) throw new EngineError('AlreadyExists', `id ${execId}: already exists`, { layer: 'shim' });
    this.init.requireAlive();
    const exec = new TaskProcess(execId, ProcessStdio.open(names, { namespace: this.#host.namespace, id: this.id }, this.#host.log));
    this.#execs.set(execId, exec);
    this.#execSpecs.set(exec, { ...spec, terminal: names.terminal });
    this.#host.events.publishSoon('/tasks/exec-added', events.TaskExecAdded, { containerId: this.id, execId });
  }

  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    const process = this.process(execId);
    process.requireAlive();
    if (execId === '') await this.#container.kill(signal, { all });
    else globalThis.process.kill(process.pid, signal);
  }

  async pause(): Promise<void> {
    if (this.init.status !== Status.RUNNING)
      throw new EngineError('FailedPrecondition', `cannot pause a ${nameOf(this.init.status)} container`, { layer: 'shim' });
    await this.#container.pause();
    this.init.status = Status.PAUSED;
    this.#host.events.publish('/tasks/paused', events.TaskPaused, { containerId: this.id });
  }

  async resume(): Promise<void> {
    if (this.init.status !== Status.PAUSED)
      throw new EngineError('FailedPrecondition', `cannot resume a ${nameOf(this.init.status)} container`, { layer: 'shim' });
    await this.#container.resume();
    this.init.status = Status.RUNNING;
    this.#host.events.publish('/tasks/resumed', events.TaskResumed, { containerId: this.id });
  }

  /** Saves the container; without `leaveRunning` its end is told as any other. */
  async checkpoint(options: CheckpointOptions): Promise<void> {
    const { status } = this.init;
    if (status !== Status.RUNNING && status !== Status.PAUSED)
      throw new EngineError('FailedPrecondition', `cannot checkpoint a container that is ${nameOf(status)}`, { layer: 'shim' });
    await telling('checkpoint', () => this.#container.checkpoint(options));
    this.#host.events.publish('/tasks/checkpointed', events.TaskCheckpointed, { containerId: this.id, checkpoint: options.imagePath });
  }

  async update(resources: LinuxResources): Promise<void> {
    this.init.requireAlive();
    await this.#container.update(resources);
  }

  async stats(): Promise<CgroupStats> {
    this.init.requireAlive();
    return this.#container.stats();
  }

  /** Every process of the container, and the exec that it is, if any. */
  async pids(): Promise<{ pid: number; execId: string | undefined }[]> {
    const execOf = new Map([...this.#execs.values()].map((exec) => [exec.pid, exec.execId]));
    return (await this.#container.pids()).map((pid) => ({ pid, execId: execOf.get(pid) }));
  }

  /** Gives back what a stopped (or never started) process holds, and forgets an exec. */
  async delete(execId: string, span: Span | undefined): Promise<{ pid: number; exit: ProcessExit | undefined }> {
    const process = this.process(execId);
    if (process.status === Status.RUNNING || process.status === Status.PAUSED) {
      throw new EngineError('FailedPrecondition', `cannot delete a process that is ${nameOf(process.status)}`, { layer: 'shim' });
    }
    if (process.exit) await process.outputComplete(DELETE_PATIENCE);
    if (execId === '') await this.#deleteInit(span);
    process.stdio.close();
    if (execId !== '') {
      process.deleted();
      this.#tidy.execOver();
    }
    this.#execs.delete(execId);
    this.#execSpecs.delete(process);
    // Of an exec's deletion containerd's shims tell nobody.
    if (execId === '') {
      this.#host.events.publishSoon('/tasks/delete', events.TaskDelete, {
        containerId: this.id,
        pid: process.pid,
        exitStatus: process.exit?.status ?? 0,
        exitedAt: process.exit?.at,
      });
    }
    return { pid: process.pid, exit: process.exit };
  }

  async #deleteInit(span: Span | undefined): Promise<void> {
    await during(span, 'runtime.delete', () => this.#container.delete({ force: this.init.exit === undefined }), 'runtime');
    for (const exec of this.#execs.values()) exec.stdio.close();
    this.#execs.clear();
  }

  async #startExec(exec: TaskProcess, span: Span | undefined): Promise<number> {
    const spec = this.#execSpecs.get(exec);
    if (exec.pid !== 0 || !spec)
      throw new EngineError('FailedPrecondition', `exec ${exec.execId} has been started before`, { layer: 'shim' });
    try {
      const started = await telling('exec', () =>
        during(
          span,
          'runtime.exec',
          (child) => this.#container.exec(spec, { execId: exec.execId, stdio: exec.stdio.forProcess, span: child }),
          'runtime',
        ),
      );
      exec.pid = started.pid;
      exec.stdio.started(started.consoleMaster);
    } catch (error) {
      exec.status = Status.STOPPED;
      exec.stdio.close();
      throw error;
    }
    exec.status = Status.RUNNING;
    this.#host.events.publishSoon('/tasks/exec-started', events.TaskExecStarted, {
      containerId: this.id,
      execId: exec.execId,
      pid: exec.pid,
    });
    this.#host.reaper.watch(exec.pid, (exit) => void this.#exited(exec, exit));
    return exec.pid;
  }

  /** Init's pid is known. */
  #born(): void {
    this.init.pid = this.#container.pid;
    this.#pidFile.publish(this.init.pid);
  }

  #watchInit(): void {
    this.#host.reaper.watch(this.init.pid, (exit) => void this.#exited(this.init, exit));
  }

  #wasRestored(): void {
    this.init.stdio.started(this.#container.consoleMaster);
    if (this.init.pid !== 0) return;
    this.#born();
    this.#watchInit();
  }

  async #exited(process: TaskProcess, { status }: Exit): Promise<void> {
    if (process === this.init) this.#oom.end();
    // Who waits for an exec knows by that; the event is for others.
    const awaited = process !== this.init && process.awaited;
    const exit = await process.finished(status);
    this.#host.events[awaited ? 'publishSoon' : 'publish']('/tasks/exit', events.TaskExit, {
      containerId: this.id,
      id: process.execId === '' ? this.id : process.execId,
      pid: process.pid,
      exitStatus: exit.status,
      exitedAt: exit.at,
    });
  }
}

/** Puts in front of a runtime's error what containerd's shims put there: clients print and match it. */
async function telling<T>(what: 'create' | 'start' | 'exec' | 'checkpoint' | 'restore', body: () => Awaitable<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    const { kind, message, layer = 'runtime', details } = toEngineError(thrown);
    // What was not found is in the container; that the container was not found is another thing, and is said by its kind.
    const told = kind === 'NotFound' || kind === 'AlreadyExists' ? 'Unknown' : kind;
    throw new EngineError(told, `OCI runtime ${what} failed: ${message}`, { layer, details, cause: thrown });
  }
}

function during<T>(span: Span | undefined, name: string, body: (child: Span | undefined) => T, layer?: string): T {
  return span ? span.during(name, body, layer) : body(undefined);
}

function nameOf(status: Status): string {
  return (Object.entries(Status).find(([, value]) => value === status)?.[0] ?? 'unknown').toLowerCase();
}
