// Follows the lifecycle service's task events: exits and OOM kills. The stream may break with the service; when it is back, what
// was missed meanwhile is read from the tasks themselves.
import { setTimeout as delay } from 'node:timers/promises';
import { isKind } from '@berth/errdefs/engine-error';
import { holds, unpack } from '@berth/rpc/any';
import { TaskExit, TaskOOM } from '@berth/rpc/gen/containerd/events/task';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import type { Timestamp } from '@berth/rpc/gen/google/protobuf/timestamp';
import { rfc3339Of } from '@berth/rpc/timestamp';
import { nowText } from '../../state/clock.ts';
import type { Container } from '../container.ts';
import { type ContainerContext, emitContainerEvent } from '../context.ts';
import { handleExit } from '../exit.ts';
import { OWNER_LABEL } from '../prepare.ts';
import { discardTask } from '../start.ts';

const RETRY = 100;
const TOPICS = ['/tasks/exit', '/tasks/oom'];

export class TaskEvents {
  readonly #context: ContainerContext;
  readonly #stop = new AbortController();

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  /** Runs until stop(); resolves once the first subscription stands and all containers were compared with their tasks. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      void this.#follow(resolve, reject);
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  async #follow(ready: () => void, failed: (error: unknown) => void): Promise<void> {
    const { lifecycle, config, log } = this.#context;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        // No other topics: a message of a stream costs more than a call, and an exec alone makes three that nobody here needs.
        const filters = TOPICS.map((topic) => `namespace==${config.namespace},topic=="${topic}"`);
        const stream = lifecycle.events.subscribe({ filters }, { signal });
        const iterator = stream[Symbol.asyncIterator]();
        // The request is on its way before the tasks are listed: an end in between shows in the list, a later one in the stream.
        let next = iterator.next();
        next.catch(() => {});
        await this.#reconcile();
        ready();
        for (;;) {
          const { done, value } = await next;
          if (done) break;
          next = iterator.next();
          next.catch(() => {});
          if (value.event) this.#dispatch(value.event);
        }
      } catch (error) {
        if (signal.aborted) return;
        failed(error);
        log.debug({ err: error }, 'the event stream of the lifecycle service broke off');
      }
      await delay(RETRY, undefined, { signal }).catch(() => {});
    }
  }

  #dispatch(event: { typeUrl: string; value: Uint8Array }): void {
    if (holds(event, TaskExit)) {
      const exit = unpack(TaskExit, event);
      const container = this.#context.store.find(exit.containerId);
      if (!container) return;
      const end = { exitStatus: exit.exitStatus, exitedAt: timeOf(exit.exitedAt) };
      if (exit.id !== '' && exit.id !== exit.containerId) this.#execExited(container, exit.id, end.exitStatus);
      else
        void handleExit(this.#context, container, end).catch((error) =>
          this.#context.log.error({ container: container.id, err: error }, 'exit handling failed'),
        );
    } else if (holds(event, TaskOOM)) {
      const container = this.#context.store.find(unpack(TaskOOM, event).containerId);
      if (!container?.running) return;
      container.record.state.oomKilled = true;
      emitContainerEvent(this.#context, container, 'oom');
    }
  }

  /** An exec that this daemon does not know was a former one's: nobody asks for its exit code any more. */
  #execExited(container: Container, execId: string, exitCode: number): void {
    const exec = container.execs.get(execId);
    if (exec) void exec.exited(exitCode);
    else void this.#context.lifecycle.tasks.deleteProcess({ containerId: container.id, execId }).catch(() => {});
  }

  /** What ended while nobody listened. */
  async #reconcile(): Promise<void> {
    const { lifecycle, store } = this.#context;
    const { tasks } = await lifecycle.tasks.list({});
    const byId = new Map(tasks.map((task) => [task.id || task.containerId, task]));
    for (const container of store.all()) {
      if (!container.running) continue;
      const task = byId.get(container.id);
      if (!task || task.status === Status.STOPPED) {
        // A task that is gone without a word was killed with everything above it.
        void handleExit(this.#context, container, { exitStatus: task?.exitStatus ?? 137, exitedAt: timeOf(task?.exitedAt) });
        continue;
      }
      container.record.state.pid = task.pid;
      const paused = task.status === Status.PAUSED;
      if (paused !== (container.record.state.phase === 'paused')) container.setPaused(paused);
    }
    for (const id of byId.keys()) this.#context.background.track(this.#discardLeftover(id));
  }

  /** A start that failed because the service died in it may have made a task all the same, and the container may even be gone. */
  async #discardLeftover(id: string): Promise<void> {
    const { lifecycle, store, tracer, log } = this.#context;
    const container = store.find(id);
    if (container?.running) return;
    using span = tracer.start('discard leftover task', undefined);
    const discard = async () => {
      if (container?.running) return;
      log.info({ container: id }, 'removing the task of a start that was broken off');
      await discardTask(this.#context, id, span);
    };
    if (container) return container.lock.run(discard);
    // In this namespace, whatever has no record any more was the daemon's.
    const owner = await lifecycle.containers.get({ id }).then(
      (found) => found.container?.labels[OWNER_LABEL],
      (error) => (isKind(error, 'NotFound') ? id : undefined),
    );
    if (owner === id) await discard();
  }
}

function timeOf(timestamp: Timestamp | undefined): string {
  return timestamp && timestamp.seconds > 0 ? rfc3339Of(timestamp) : nowText();
}
