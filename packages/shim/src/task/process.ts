// One process of the container: init, or an exec. States: created → running ⇄ paused → stopped; an exec is 'created' until Start.
import { EngineError } from '@berth/errdefs/engine-error';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { type WallTime, wallTime } from '@berth/sys/clock';
import type { ProcessStdio } from '../stdio/process-stdio.ts';

export interface ProcessExit {
  /** 128 + the number of the signal that ended it, or the code it gave. */
  status: number;
  at: WallTime;
}

/** Milliseconds of waiting for output before an exit is told: others may hold the pipes for long. */
const OUTPUT_PATIENCE = 250;

export class TaskProcess {
  /** Empty for init. */
  readonly execId: string;
  readonly stdio: ProcessStdio;
  pid = 0;
  status: Status = Status.CREATED;
  exit: ProcessExit | undefined;
  readonly #waiters: { resolve: (exit: ProcessExit) => void; reject: (error: EngineError) => void }[] = [];
  /** Until a start has been told, an exit is not: the order of events is part of the API. */
  #announced: Promise<void> | undefined;
  #announce: (() => void) | undefined;
  #output: Promise<void> | undefined;

  constructor(execId: string, stdio: ProcessStdio) {
    this.execId = execId;
    this.stdio = stdio;
  }

  /** Somebody waits for the exit, and will know it without an event. */
  get awaited(): boolean {
    return this.#waiters.length > 0;
  }

  wait(): ProcessExit | Promise<ProcessExit> {
    return this.exit ?? new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** A start is under way: holds an exit back until announce(). */
  starting(): void {
    this.#announced = new Promise((resolve) => {
      this.#announce = resolve;
    });
  }

  /** The start has been told, or has failed. */
  announce(): void {
    this.#announce?.();
  }

  /** Waits for the last of the output, but not for ever. */
  async outputComplete(patience: number): Promise<void> {
    if (!this.#output) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([this.#output, late]);
    clearTimeout(timer);
  }

  /** The process is gone: takes its output in, then tells who waits. Resolves when they have been told. */
  async finished(status: number): Promise<ProcessExit> {
    const exit = { status, at: wallTime() };
    this.#output = this.stdio.exited();
    await this.outputComplete(OUTPUT_PATIENCE);
    await this.#announced;
    this.status = Status.STOPPED;
    this.exit = exit;
    for (const { resolve } of this.#waiters.splice(0)) resolve(exit);
    return exit;
  }

  /** It is forgotten: who still waits for its exit waits for nothing. */
  deleted(): void {
    const error = new EngineError('NotFound', `process ${this.execId}: deleted before it ran: not found`, { layer: 'shim' });
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  /** Throws for a process that cannot be signalled. The wording is one that containerd's clients look for. */
  requireAlive(): void {
    if (this.exit) throw new EngineError('NotFound', 'process already finished: not found', { layer: 'shim' });
    if (this.pid === 0) throw new EngineError('FailedPrecondition', 'process has not been started', { layer: 'shim' });
  }
}
