// The ttrpc face of the shim: containerd's task API, versions 2 and 3 (the messages are the same). Each method finds the task and
// does one thing with it; how it does is in task.ts.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources, Process } from '@berth/oci/runtime-spec';
import { pack, unpackJson } from '@berth/rpc/any';
import type { Task as TaskApi } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { ProcessDetails } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Call, Implementation } from '@berth/rpc/ttrpc/server';
import { parseTraceparent, TRACEPARENT } from '@berth/trace/context';
import type { Span, Tracer } from '@berth/trace/tracer';
import type { RuntimeSelector } from '../runtime/select.ts';
import { checkpointOptions } from './checkpoint.ts';
import { packStats } from './metrics.ts';
import type { ProcessExit } from './process.ts';
import { Task, type TaskHost } from './task.ts';

export interface TaskServiceOptions extends TaskHost {
  runtimes: RuntimeSelector;
  tracer: Tracer;
  /** Ends the shim: no task is left, or the caller does not care. */
  shutdown: () => void;
  /** Whether the shim has another reason to live than tasks. */
  stays: () => boolean;
}

const SIGKILL = 9;

/** Serves one task, or those of a group of containers that share a shim (pods, sandboxes). */
export class TaskService implements Implementation<typeof TaskApi> {
  readonly #options: TaskServiceOptions;
  readonly #tasks = new Map<string, Task | Promise<Task>>();
  /** Attached clients of deleted processes that still have output to read. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: TaskServiceOptions) {
    this.#options = options;
  }

  get idle(): boolean {
    return this.#tasks.size === 0;
  }

  create: Implementation<typeof TaskApi>['create'] = (request, call) =>
    this.#traced('shim.create', call, async (span) => {
      if (this.#tasks.has(request.id)) throw new EngineError('AlreadyExists', `task ${request.id}: already exists`, { layer: 'shim' });
      const creation = Task.create(this.#options, this.#options.runtimes.select(request), request, span);
      this.#tasks.set(request.id, creation);
      try {
        const task = await creation;
        this.#tasks.set(request.id, task);
        return { pid: task.init.pid };
      } catch (error) {
        this.#tasks.delete(request.id);
        throw error;
      }
    });

  start: Implementation<typeof TaskApi>['start'] = (request, call) =>
    this.#traced('shim.start', call, async (span) => ({ pid: await this.#find(request.id).start(request.execId, span) }));

  delete: Implementation<typeof TaskApi>['delete'] = (request, call) =>
    this.#traced('shim.delete', call, async (span) => {
      const task = this.#find(request.id);
      const { stdio } = task.process(request.execId);
      const { pid, exit } = await task.delete(request.execId, span);
      const left = stdio.clientsGone().finally(() => this.#leaving.delete(left));
      this.#leaving.add(left);
      if (request.execId === '') this.#tasks.delete(request.id);
      return { pid, ...answer(exit) };
    });

  state: Implementation<typeof TaskApi>['state'] = (request) => {
    const task = this.#find(request.id);
    const process = task.process(request.execId);
    const { names } = process.stdio;
    return {
      id: task.id,
      bundle: task.bundle,
      pid: process.pid,
      status: process.status,
      stdin: names.stdin,
      stdout: names.stdout,
      stderr: names.stderr,
      terminal: names.terminal,
      execId: request.execId,
      ...answer(process.exit),
    };
  };

  pids: Implementation<typeof TaskApi>['pids'] = async (request) => ({
    processes: (await this.#find(request.id).pids()).map(({ pid, execId }) => ({
      pid,
      info: execId === undefined ? undefined : pack(ProcessDetails, { execId }),
    })),
  });

  pause: Implementation<typeof TaskApi>['pause'] = async (request) => {
    await this.#find(request.id).pause();
    return {};
  };

  resume: Implementation<typeof TaskApi>['resume'] = async (request) => {
    await this.#find(request.id).resume();
    return {};
  };

  checkpoint: Implementation<typeof TaskApi>['checkpoint'] = async (request) => {
    const task = this.#find(request.id);
    await task.checkpoint(checkpointOptions(request, task.bundle));
    return {};
  };

  kill: Implementation<typeof TaskApi>['kill'] = async (request) => {
    await this.#find(request.id).kill(request.execId, request.signal, request.all);
    return {};
  };

  exec: Implementation<typeof TaskApi>['exec'] = (request) => {
    const task = this.#find(request.id);
    if (!request.spec) throw new EngineError('InvalidArgument', 'exec: the process is missing', { layer: 'shim' });
    task.addExec(request.execId, unpackJson<Process>(request.spec), request);
    return {};
  };

  resizePty: Implementation<typeof TaskApi>['resizePty'] = (request) => {
    const process = this.#find(request.id).process(request.execId);
    process.stdio.resize({ rows: request.height, columns: request.width });
    return {};
  };

  closeIO: Implementation<typeof TaskApi>['closeIO'] = (request) => {
    if (request.stdin) this.#find(request.id).process(request.execId).stdio.closeStdin();
    return {};
  };

  update: Implementation<typeof TaskApi>['update'] = async (request) => {
    if (!request.resources) throw new EngineError('InvalidArgument', 'update: the resources are missing', { layer: 'shim' });
    await this.#find(request.id).update(unpackJson<LinuxResources>(request.resources));
    return {};
  };

  wait: Implementation<typeof TaskApi>['wait'] = async (request) => answer(await this.#find(request.id).process(request.execId).wait());

  stats: Implementation<typeof TaskApi>['stats'] = async (request) => ({ stats: packStats(await this.#find(request.id).stats()) });

  /** A service that comes back in the midst of a creation learns of what that makes. */
  connect: Implementation<typeof TaskApi>['connect'] = async (request) => {
    const task = await Promise.resolve(this.#tasks.get(request.id)).catch(() => undefined);
    return { shimPid: process.pid, taskPid: task?.init.pid ?? 0 };
  };

  shutdown: Implementation<typeof TaskApi>['shutdown'] = (request) => {
    // As runc's shim: a shim with a task stays, unless it is told to go at once.
    if (request.now || (this.idle && !this.#options.stays())) this.#options.shutdown();
    return {};
  };

  /** Kills every container; resolves when they have ended, at the latest after so many milliseconds. */
  async endTasks(timeout: number): Promise<void> {
    const living = [...this.#tasks.values()].filter((task) => task instanceof Task && task.init.exit === undefined) as Task[];
    const ended = living.map(async (task) => {
      await task.kill('', SIGKILL, true);
      await task.init.wait();
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout);
    });
    await Promise.race([Promise.allSettled(ended), late]);
    clearTimeout(timer);
  }

  /** Resolves when no client is attached to any process any more. */
  async clientsGone(): Promise<void> {
    await Promise.all([...this.#leaving]);
  }

  #find(id: string): Task {
    const task = this.#tasks.get(id);
    if (task instanceof Task) return task;
    throw new EngineError('NotFound', `task ${id}: not found`, { layer: 'shim' });
  }

  /** Only calls that belong to a trace are recorded. */
  async #traced<T>(name: string, call: Call, body: (span: Span | undefined) => Promise<T>): Promise<T> {
    const parent = parseTraceparent(call.metadata.get(TRACEPARENT));
    if (!parent) return body(undefined);
    using span = this.#options.tracer.start(name, parent);
    try {
      return await body(span);
    } catch (error) {
      span.fail(error);
      throw error;
    }
  }
}

function answer(exit: ProcessExit | undefined) {
  return { exitStatus: exit?.status ?? 0, exitedAt: exit?.at };
}
