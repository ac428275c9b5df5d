// A container's task through the client: its first process, further ones, their streams, and what becomes of them.
import { isKind } from '@berth/errdefs/engine-error';
import type { Process } from '@berth/oci/runtime-spec';
import { PROCESS_TYPE, packJson } from '@berth/rpc/any';
import { millisecondsOf } from '@berth/rpc/timestamp';
import type { LifecycleClient } from './lifecycle-client.ts';
import { ProcessStreams, type StreamOptions } from './process-streams.ts';

const SIGKILL = 9;

export interface ProcessExit {
  /** The code, or 128 and the number of the signal that ended it. */
  exitStatus: number;
  exitedAt: Date;
}

/** A process in a container: the first one, or one that was added. */
export class ClientProcess implements AsyncDisposable {
  readonly containerId: string;
  /** '' for the container's first process. */
  readonly execId: string;
  /** On the host; 0 before the start. */
  pid = 0;
  protected readonly client: LifecycleClient;
  readonly #streams: ProcessStreams;

  constructor(client: LifecycleClient, containerId: string, execId: string, streams: ProcessStreams) {
    this.client = client;
    this.containerId = containerId;
    this.execId = execId;
    this.#streams = streams;
  }

  /** Has the program executed. What it cannot be executed for is the error, in the runtime's words. */
  async start(): Promise<void> {
    const { containerId, execId } = this;
    this.pid = (await this.client.tasks.start({ containerId, execId })).pid;
    this.#streams.opened(() => void this.client.tasks.closeIO({ containerId, execId, stdin: true }).catch(() => {}));
  }

  /** Resolves when the process has ended, and its output has been written to the streams. */
  async wait(): Promise<ProcessExit> {
    const { containerId, execId } = this;
    const { exitStatus, exitedAt } = await this.client.tasks.wait({ containerId, execId });
    await this.#streams.finished;
    return { exitStatus, exitedAt: new Date(exitedAt ? millisecondsOf(exitedAt) : Date.now()) };
  }

  /** With `all`, every process of the container. NotFound for one that has ended. */
  async kill(signal: number, { all = false } = {}): Promise<void> {
    const { containerId, execId } = this;
    await this.client.tasks.kill({ containerId, execId, signal, all });
  }

  /** The terminal's size. */
  async resize(columns: number, rows: number): Promise<void> {
    const { containerId, execId } = this;
    await this.client.tasks.resizePty({ containerId, execId, width: columns, height: rows });
  }

  /** Gives back what an ended process holds. */
  async delete(): Promise<ProcessExit> {
    const { containerId, execId } = this;
    const { exitStatus, exitedAt } =
      execId === '' ? await this.client.tasks.delete({ containerId }) : await this.client.tasks.deleteProcess({ containerId, execId });
    this.#streams[Symbol.dispose]();
    return { exitStatus, exitedAt: new Date(exitedAt ? millisecondsOf(exitedAt) : Date.now()) };
  }

  /** Ends it if it lives, and deletes it. What is gone already is no error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.pid !== 0) {
        await this.kill(SIGKILL, { all: this.execId === '' }).catch(() => {});
        await this.client.tasks.wait({ containerId: this.containerId, execId: this.execId });
      }
      await this.delete();
    } catch (error) {
      if (!isKind(error, 'NotFound')) throw error;
    } finally {
      this.#streams[Symbol.dispose]();
    }
  }
}

/** A container's first process, and what is done with the whole container. Disposing of it kills every process of the container. */
export class ClientTask extends ClientProcess {
  /** Adds a process; `start` starts it. AlreadyExists for an id in use. */
  async exec(execId: string, process: Process, options: StreamOptions = {}): Promise<ClientProcess> {
    const { containerId, client } = this;
    const streams = new ProcessStreams(options);
    try {
      const spec = packJson(PROCESS_TYPE, { ...process, terminal: streams.terminal });
      await client.tasks.exec({ containerId, execId, spec, terminal: streams.terminal, ...streams.names });
      return new ClientProcess(client, containerId, execId, streams);
    } catch (error) {
      streams[Symbol.dispose]();
      throw error;
    }
  }

  /** Freezes all processes of the container. FailedPrecondition for one that does not run. */
  async pause(): Promise<void> {
    await this.client.tasks.pause({ containerId: this.containerId });
  }

  /** Lets them go on. */
  async resume(): Promise<void> {
    await this.client.tasks.resume({ containerId: this.containerId });
  }
}

/** Creates the container's task: its first process waits for `start`. `terminal` must be what the specification says. */
export async function createTask(client: LifecycleClient, containerId: string, options: StreamOptions = {}): Promise<ClientTask> {
  const streams = new ProcessStreams(options);
  try {
    await client.tasks.create({ containerId, terminal: streams.terminal, ...streams.names });
    return new ClientTask(client, containerId, '', streams);
  } catch (error) {
    streams[Symbol.dispose]();
    throw error;
  }
}
