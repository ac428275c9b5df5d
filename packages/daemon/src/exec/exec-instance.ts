// One exec: made by `POST /containers/{id}/exec`, run at most once, inspected until its container goes. The process itself is a
// process of the container's task, with an attach socket of its own.
import { EventEmitter } from 'node:events';
import type { ExecCreateRequest, ExecInspect } from '@berth/api/exec';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { TaskIo } from '../containers/task/task-io.ts';

/** Milliseconds that a question for the exit code waits for an exit that is on its way. */
const EXIT_PATIENCE = 2_000;

export class ExecInstance {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecCreateRequest;
  readonly exits = new EventEmitter<{ exit: [number] }>();
  phase: 'created' | 'starting' | 'running' | 'ended' = 'created';
  pid = 0;
  exitCode: number | undefined;
  #outputEnded = false;
  /** Its process, worked out while the client is on the way to start it; soon out of date. */
  draft: { readonly spec: Any; readonly at: number } | undefined;
  /** Its input and output, once it is started. */
  io: TaskIo | undefined;

  constructor(id: string, containerId: string, request: ExecCreateRequest) {
    this.id = id;
    this.containerId = containerId;
    this.request = request;
    this.exits.setMaxListeners(0);
  }

  get argv(): string[] {
    const { Cmd } = this.request;
    return typeof Cmd === 'string' ? [Cmd] : (Cmd ?? []);
  }

  /** Its process has exited: that is told when its output is complete. */
  async exited(exitCode: number): Promise<void> {
    await this.io?.exited();
    this.ended(exitCode);
  }

  /** Its process has ended. The first word counts. */
  ended(exitCode: number): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.exitCode = exitCode;
    this.exits.emit('exit', exitCode);
  }

  /** Nothing more will come from its process. */
  outputEnded(): void {
    this.#outputEnded = true;
  }

  /** Clients ask for the exit code at the end of the output, which reaches them sooner than the exit reaches this daemon. */
  async settled(): Promise<void> {
    if (this.#outputEnded) await this.exitKnown(EXIT_PATIENCE);
  }

  /** Resolves when the exit code is known, or after `patience` milliseconds. */
  async exitKnown(patience: number): Promise<void> {
    if (this.phase === 'ended') return;
    await new Promise<void>((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.exits.off('exit', settle);
        resolve();
      };
      const timer = setTimeout(settle, patience);
      this.exits.on('exit', settle);
    });
  }

  /** The container's first process took all others with it. */
  containerEnded(): void {
    if (this.phase === 'running' || this.phase === 'starting') this.ended(137);
  }

  inspect(): ExecInspect {
    const [entrypoint = '', ...args] = this.argv;
    const { request } = this;
    return {
      ID: this.id,
      Running: this.phase === 'running' || this.phase === 'starting',
      ExitCode: this.exitCode ?? null,
      ProcessConfig: {
        tty: request.Tty === true,
        entrypoint,
        arguments: args,
        privileged: request.Privileged === true,
        ...(request.User ? { user: request.User } : {}),
      },
      OpenStdin: request.AttachStdin === true,
      OpenStderr: request.AttachStderr === true,
      OpenStdout: request.AttachStdout === true,
      CanRemove: this.phase === 'ended',
      ContainerID: this.containerId,
      DetachKeys: request.DetachKeys ?? '',
      Pid: this.pid,
    };
  }
}
