// The tasks that there are: made, found again after a restart, and given up when their shim dies. Runs in berth-lifecycle.
//
// A shim that dies takes the knowledge of its container with it: what is left of the container is killed and cleaned up, and
// subscribers learn of an exit with 137, as if somebody had killed it.
import { EngineError, prefixed } from '@berth/errdefs/engine-error';
import { TaskDelete, TaskExit } from '@berth/rpc/gen/containerd/events/task';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { timestampOf } from '@berth/rpc/timestamp';
import type { Span } from '@berth/trace/tracer';
import type { EventExchange } from '../events/exchange.ts';
import type { Bundle, Bundles, ShimAddress } from './bundle.ts';
import { BERTH_RUNTIME, type ConnectedShim, connectShim, type DeadTask, KILLED, type ShimsByRuntime } from './shims.ts';
import { Task } from './task.ts';

export interface NewTask {
  namespace: string;
  id: string;
  runtime: string;
  /** config.json. */
  config: Uint8Array;
  rootfs: Mount[];
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
  /** The directory of the images to restore it from; empty to begin anew. */
  checkpoint: string;
  options?: Any;
  /** The shim of the sandbox that the container belongs to; without, it gets one by its runtime. */
  shim?: ShimAddress;
}

export interface TaskStoreOptions {
  bundles: Bundles;
  shims: ShimsByRuntime;
  events: EventExchange;
  log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** Milliseconds that the shim of a deleted task stays: whoever deleted it has the processors first. */
const FAREWELL = 30;
/** Milliseconds after the last end of a task until what no task needs goes. */
const QUIET = 1000;
/** Milliseconds in which a shim that was found after a restart has to answer. */
const RECONNECT_TIMEOUT = 5000;

/** What goes on after a task has ended. */
interface Ending {
  over: Promise<void>;
  /** Somebody waits for it. */
  now(): void;
}

export class TaskStore {
  readonly #options: TaskStoreOptions;
  readonly #tasks = new Map<string, Task>();
  /** Keys of tasks that are being made. */
  readonly #busy = new Set<string>();
  /** What goes on after a task has ended, by its key: its shim ends, whose socket would be the next one's too, or a dead one is cleaned up after. */
  readonly #ending = new Map<string, Ending>();

  #tidying: NodeJS.Timeout | undefined;

  constructor(options: TaskStoreOptions) {
    this.#options = options;
  }

  find(namespace: string, id: string): Task | undefined {
    return this.#tasks.get(`${namespace}/${id}`);
  }

  /** NotFound: `task <id> not found`. */
  get(namespace: string, id: string): Task {
    const task = this.find(namespace, id);
    if (!task) throw new EngineError('NotFound', `task ${id} not found`, { layer: 'lifecycle', details: { namespace, id } });
    return task;
  }

  list(namespace: string): Task[] {
    return [...this.#tasks.values()].filter((task) => task.namespace === namespace);
  }

  async create(wanted: NewTask, span?: Span): Promise<Task> {
    const { namespace, id, runtime } = wanted;
    const key = `${namespace}/${id}`;
    if (this.#tasks.has(key) || this.#busy.has(key)) {
      throw new EngineError('AlreadyExists', `task ${id}: already exists`, { layer: 'lifecycle', details: { namespace, id } });
    }
    const { bundles } = this.#options;
    const shims = this.#options.shims.of(runtime);
    this.#busy.add(key);
    try {
      await this.#ended(key);
      const bundle = bundles.create(namespace, id, runtime, wanted.config);
      let task: Task | undefined;
      try {
        const { rootfs, stdin, stdout, stderr, terminal, checkpoint, options } = wanted;
        const request = { id, bundle: bundle.path, rootfs, stdin, stdout, stderr, terminal, checkpoint, options };
        const create = async (connected: ConnectedShim) => {
          if (!connected.records) bundles.writeShim(bundle, connected.shim);
          const created = new Task(bundle, runtime, connected);
          task = created;
          created.pid = (await created.api.create(request, created.options(span)).catch(refusedByShim)).pid;
          return created;
        };
        const starting = () => (wanted.shim ? connectShim(wanted.shim).then(create) : shims.start({ bundle, options }, create));
        task = await during(span, 'lifecycle.shim', starting);
      } catch (error) {
        await this.#undo(bundle, runtime, task);
        throw error;
      }
      this.#tasks.set(key, task);
      this.#watch(task);
      return task;
    } finally {
      this.#busy.delete(key);
    }
  }

  /** Forgets a task that its shim has deleted. The shim ends behind the caller's back. */
  remove(task: Task): void {
    const key = `${task.namespace}/${task.id}`;
    this.#tasks.delete(key);
    const { bundles } = this.#options;
    const retired = bundles.retire(task.bundle);
    const { promise: called, resolve: now } = Promise.withResolvers<void>();
    setTimeout(now, FAREWELL);
    const over = called
      .then(() => task.release())
      .then(() => {
        bundles.discard(retired);
        this.#ending.delete(key);
        this.#tidySoon();
      });
    this.#ending.set(key, { over, now });
  }

  /** Finds the tasks of before this process: those whose shim answers go on, the others are cleaned up. */
  async recover(): Promise<{ found: number; lost: number }> {
    const { bundles } = this.#options;
    await Promise.all(bundles.retired().map((bundle) => this.#endShim(bundle)));
    const outcomes = await Promise.all(bundles.list().map((bundle) => this.#recoverOne(bundle)));
    this.#tidySoon();
    return { found: outcomes.filter((found) => found).length, lost: outcomes.filter((found) => !found).length };
  }

  /** Lets go of every shim; their containers live on. */
  async disconnect(): Promise<void> {
    for (const task of this.#tasks.values()) task.disconnect();
    this.#tasks.clear();
    clearTimeout(this.#tidying);
    await Promise.all([...this.#ending.keys()].map((key) => this.#ended(key)));
    this.#tidy();
  }

  async #ended(key: string): Promise<void> {
    const ending = this.#ending.get(key);
    ending?.now();
    await ending?.over;
  }

  #tidySoon(): void {
    clearTimeout(this.#tidying);
    this.#tidying = setTimeout(() => this.#tidy(), QUIET).unref();
  }

  #tidy(): void {
    try {
      this.#options.shims.tidy();
    } catch (error) {
      this.#options.log.warn({ reason: (error as Error).message }, 'what no task needs was not removed');
    }
  }

  /** Of a task that was deleted: this service may have died before it told the shim to end. */
  async #endShim(bundle: Bundle): Promise<void> {
    const { bundles } = this.#options;
    try {
      const address = bundles.shim(bundle);
      if (address) await (await Task.connect(bundle, bundles.runtime(bundle) ?? BERTH_RUNTIME, address)).release();
    } catch {
      // It has ended.
    }
    bundles.discard(bundle);
  }

  async #recoverOne(bundle: Bundle): Promise<boolean> {
    const { bundles, log } = this.#options;
    const runtime = bundles.runtime(bundle) ?? BERTH_RUNTIME;
    try {
      const address = bundles.shim(bundle);
      if (!address) throw new EngineError('NotFound', 'its shim never served', { layer: 'lifecycle' });
      const task = await Task.connect(bundle, runtime, address);
      try {
        const { taskPid } = await task.api.connect({ id: bundle.id }, { ...task.options(), timeout: RECONNECT_TIMEOUT });
        if (taskPid === 0) throw new EngineError('NotFound', 'its shim has no task', { layer: 'lifecycle' });
        task.pid = taskPid;
        this.#options.shims.of(runtime).adopt(bundle);
      } catch (error) {
        // A creation that was under way when this service died, or a shim that hangs.
        await task.release();
        throw error;
      }
      this.#tasks.set(`${task.namespace}/${task.id}`, task);
      this.#watch(task);
      return true;
    } catch (error) {
      log.warn(
        { namespace: bundle.namespace, id: bundle.id, reason: (error as Error).message },
        'cleaning up after a task whose shim is gone',
      );
      await this.#bury(bundle, runtime);
      return false;
    }
  }

  #watch(task: Task): void {
    void task.gone().then(() => {
      const key = `${task.namespace}/${task.id}`;
      if (task.ending || this.#tasks.get(key) !== task) return;
      this.#options.log.warn({ namespace: task.namespace, id: task.id, shim: task.shim.pid }, 'shim disconnected');
      this.#tasks.delete(key);
      // A new task of that id waits for what is left of this one to go.
      const over = this.#bury(task.bundle, task.runtime).finally(() => this.#ending.delete(key));
      this.#ending.set(key, { over, now() {} });
    });
  }

  /** Cleans up after a dead shim and tells of the end of its container. */
  async #bury(bundle: Bundle, runtime: string): Promise<void> {
    const { events, bundles } = this.#options;
    const { namespace, id } = bundle;
    const noted = bundles.initPid(bundle);
    const dead = await this.#cleanUp(bundle, runtime);
    const pid = dead.pid || noted;
    const exitedAt = timestampOf(dead.exitedAt);
    if (pid !== 0) {
      events.emit(namespace, '/tasks/exit', TaskExit, { containerId: id, id, pid, exitStatus: dead.exitStatus, exitedAt });
      events.emit(namespace, '/tasks/delete', TaskDelete, { containerId: id, pid, exitStatus: dead.exitStatus, exitedAt });
    }
    bundles.remove(bundle);
    this.#tidySoon();
  }

  async #cleanUp(bundle: Bundle, runtime: string): Promise<DeadTask> {
    try {
      return await this.#options.shims.of(runtime).cleanUp(bundle);
    } catch (error) {
      this.#options.log.error(
        { namespace: bundle.namespace, id: bundle.id, reason: (error as Error).message },
        'cleaning up after a shim failed',
      );
      return { pid: 0, exitStatus: KILLED, exitedAt: Date.now() };
    }
  }

  /** After a creation that failed: the shim has undone its part, unless it is gone itself. */
  async #undo(bundle: Bundle, runtime: string, task: Task | undefined): Promise<void> {
    const answered = task && !task.ending ? await task.release() : true;
    // A shim that answers has undone what it created; one that was killed in the middle has not, whether or not it noted a pid.
    if (!answered || this.#options.bundles.initPid(bundle) !== 0) await this.#cleanUp(bundle, runtime);
    this.#options.bundles.remove(bundle);
  }
}

/** In containerd's words: dockerd and ctr pass them on. */
function refusedByShim(thrown: unknown): never {
  throw prefixed(thrown, 'failed to create shim task: ');
}

function during<T>(span: Span | undefined, name: string, body: () => T): T {
  return span ? span.during(name, body) : body();
}
