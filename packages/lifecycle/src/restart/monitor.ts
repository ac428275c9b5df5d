// The restart monitor: keeps the tasks of containers that carry the label containerd.io/restart.status in the state that it names. A
// client of this service's own API, as containerd's monitor is of containerd's. It keeps nothing itself, so it goes on after a restart
// of the service, and of the machine, where it stopped.
import { isKind } from '@berth/errdefs/engine-error';
import type { Container, Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import type { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { type Process, Status } from '@berth/rpc/gen/containerd/types/task/task';
import type { UnaryClient } from '@berth/rpc/loopback';
import { millisecondsOf } from '@berth/rpc/timestamp';
import type { Logger } from 'pino';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { COUNT_LABEL, restartCount, restartLog, STATUS_LABEL, wantsRestart } from './policy.ts';

const SIGKILL = 9;

export interface RestartMonitorOptions {
  namespaces: Pick<NamespaceStore, 'list'>;
  containers: UnaryClient<typeof Containers>;
  tasks: UnaryClient<typeof Tasks>;
  /** Milliseconds from one look to the next. */
  interval: number;
  log: Logger;
}

export class RestartMonitor implements AsyncDisposable {
  readonly #options: RestartMonitorOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #ended = false;

  constructor(options: RestartMonitorOptions) {
    this.#options = options;
  }

  /** Looks at once, and again and again. */
  start(): void {
    this.#looking = this.#look().finally(() => {
      if (!this.#ended) this.#timer = setTimeout(() => this.start(), this.#options.interval).unref();
    });
  }

  /** Waits for the changes that are under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { namespaces, containers, log } = this.#options;
    for (const { name: namespace } of namespaces.list()) {
      const found = await containers.list({ filters: [`labels."${STATUS_LABEL}"`] }, { namespace });
      await Promise.all(
        found.containers.map((container) =>
          this.#reconcile(namespace, container).catch((error: Error) =>
            log.error({ namespace, id: container.id, reason: error.message }, 'restart monitor'),
          ),
        ),
      );
    }
  }

  async #reconcile(namespace: string, container: Container): Promise<void> {
    const { id, labels } = container;
    const process = await this.#processOf(namespace, id);
    const lives = process !== undefined && process.status !== Status.STOPPED;
    if (labels[STATUS_LABEL] === 'stopped') {
      if (lives) await this.#end(namespace, id);
    } else if (labels[STATUS_LABEL] === 'running') {
      // One that is created or paused is somebody's intention, and so is one that was made a moment ago and has no task yet.
      if (lives || (process === undefined && this.#isNew(container))) return;
      if (wantsRestart(labels, process?.exitStatus ?? 0)) await this.#startAgain(namespace, container);
    }
  }

  #isNew({ createdAt }: Container): boolean {
    return createdAt !== undefined && Date.now() - millisecondsOf(createdAt) < this.#options.interval;
  }

  async #processOf(namespace: string, containerId: string): Promise<Process | undefined> {
    try {
      return (await this.#options.tasks.get({ containerId }, { namespace })).process;
    } catch (error) {
      if (isKind(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async #startAgain(namespace: string, { id, labels }: Container): Promise<void> {
    const { containers, tasks, log } = this.#options;
    const count = restartCount(labels) + 1;
    await containers.update(
      { container: { id, labels: { [COUNT_LABEL]: String(count) } }, updateMask: { paths: [`labels.${COUNT_LABEL}`] } },
      { namespace },
    );
    await this.#end(namespace, id);
    const output = restartLog(labels);
    await tasks.create({ containerId: id, stdout: output, stderr: output }, { namespace });
    await tasks.start({ containerId: id }, { namespace });
    log.info({ namespace, id, count }, 'restarted');
  }

  /** Kills the task if it lives, and deletes it. */
  async #end(namespace: string, containerId: string): Promise<void> {
    const { tasks } = this.#options;
    try {
      const killed = await tasks.kill({ containerId, signal: SIGKILL, all: true }, { namespace }).then(
        () => true,
        () => false,
      );
      if (killed) await tasks.wait({ containerId }, { namespace });
      await tasks.delete({ containerId }, { namespace });
    } catch (error) {
      if (!isKind(error, 'NotFound')) throw error;
    }
  }
}
