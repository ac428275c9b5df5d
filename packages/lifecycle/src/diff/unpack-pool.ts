// The threads that read and write layers: as many as there are processors, started when there is work, ended when there has been none
// for a while. Runs in the lifecycle service and in the daemon.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { EngineError } from '@berth/errdefs/engine-error';
import type { FromWorker, Job, ToWorker } from './worker-protocol.ts';

/** Milliseconds after which an idle thread gives its memory back. */
const IDLE = 10_000;
const MOST_WORKERS = 8;
/** Pieces of a job's input that may be on the way to its thread. */
const UNREAD = 8;

export interface JobOptions {
  onProgress?: (consumed: number) => void;
  /** Receives what the job produces; the next chunk comes after the promise has resolved. */
  onChunk?: (bytes: Uint8Array) => Promise<void>;
  /** What the job reads. A failure of it is the job's. */
  input?: AsyncIterable<Uint8Array>;
  signal?: AbortSignal;
}

interface Waiting {
  job: Job;
  options: JobOptions;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

export class UnpackPool implements AsyncDisposable {
  readonly #limit: number;
  readonly #idle: { worker: Worker; timer: NodeJS.Timeout }[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiting: Waiting[] = [];
  #closed = false;

  constructor(options: { limit?: number } = {}) {
    this.#limit = options.limit ?? Math.max(2, Math.min(MOST_WORKERS, availableParallelism()));
  }

  run<Result>(job: Job, options: JobOptions = {}): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ job, options, resolve: resolve as (result: unknown) => void, reject });
      this.#next();
    });
  }

  /** How many more jobs would begin at once. */
  get free(): number {
    return this.#limit - this.#all.size + this.#idle.length - this.#waiting.length;
  }

  #next(): void {
    if (this.#closed) {
      for (const { reject } of this.#waiting.splice(0))
        reject(new EngineError('Unavailable', 'the lifecycle service is shutting down', { layer: 'lifecycle' }));
      return;
    }
    const waiting = this.#waiting[0];
    if (!waiting) return;
    const worker = this.#takeIdle() ?? (this.#all.size < this.#limit ? this.#start() : undefined);
    if (!worker) return;
    this.#waiting.shift();
    this.#perform(worker, waiting);
  }

  #takeIdle(): Worker | undefined {
    const idle = this.#idle.pop();
    clearTimeout(idle?.timer);
    idle?.worker.ref();
    return idle?.worker;
  }

  #start(): Worker {
    // Sources run as they are in development; a release has the worker bundled beside the service.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./unpack-worker.${extension}`, import.meta.url), { name: 'unpack' });
    this.#all.add(worker);
    return worker;
  }

  #perform(worker: Worker, { job, options, resolve, reject }: Waiting): void {
    const say = (message: ToWorker) => worker.postMessage(message);
    const feeder = options.input && new Feeder(options.input, worker);
    /** What went wrong on this side. It is told when the thread has stopped: until then it uses what the caller lent it. */
    let failure: { error: unknown } | undefined;
    const fail = (error: unknown) => {
      failure ??= { error };
      abort();
    };
    let over = false;
    const finish = (reusable: boolean) => {
      over = true;
      feeder?.stop();
      options.signal?.removeEventListener('abort', abort);
      worker.removeAllListeners('message').removeAllListeners('error').removeAllListeners('exit');
      if (reusable) this.#rest(worker);
      else this.#all.delete(worker);
      this.#next();
    };
    // The thread may be at another job by now.
    const abort = () => over || say({ type: 'abort' });
    worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'progress':
          options.onProgress?.(message.consumed);
          return;
        case 'chunk':
          Promise.resolve(options.onChunk?.(message.bytes)).then(() => say({ type: 'taken' }), fail);
          return;
        case 'read':
          feeder?.read();
          return;
        case 'done':
          if (failure) reject(failure.error);
          else resolve(message.result);
          return finish(true);
        case 'failed':
          // An abort's own error says less than what led to it.
          reject(
            failure ? failure.error : new EngineError(message.kind, message.message, { layer: 'lifecycle', details: message.details }),
          );
          return finish(true);
      }
    });
    worker.on('error', (cause) => {
      reject(new EngineError('Internal', `unpack worker failed: ${cause.message}`, { layer: 'lifecycle', cause }));
      finish(false);
    });
    worker.on('exit', (code) => {
      reject(new EngineError('Internal', `unpack worker ended with code ${code}`, { layer: 'lifecycle' }));
      finish(false);
    });
    if (options.signal?.aborted) {
      reject(new EngineError('Cancelled', 'unpacking was cancelled', { layer: 'lifecycle', cause: options.signal.reason }));
      finish(true);
      return;
    }
    options.signal?.addEventListener('abort', abort, { once: true });
    say({ type: 'job', job });
    feeder?.run().catch(fail);
  }

  #rest(worker: Worker): void {
    if (this.#closed) {
      void worker.terminate();
      return;
    }
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.worker === worker),
        1,
      );
      this.#all.delete(worker);
      void worker.terminate();
    }, IDLE);
    // Neither an idle thread nor its timer keeps the process.
    timer.unref();
    worker.unref();
    this.#idle.push({ worker, timer });
  }

  /** Ends all threads; jobs under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer);
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
    this.#next();
  }
}

/** Sends a job's input to its thread, no faster than that reads it. */
class Feeder {
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #worker: Worker;
  #unread = 0;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(input: AsyncIterable<Uint8Array>, worker: Worker) {
    this.#input = input;
    this.#worker = worker;
  }

  async run(): Promise<void> {
    for await (const piece of this.#input) {
      if (this.#over) return;
      // Whole and its own: a part of a larger buffer would go with all of that.
      const bytes = new Uint8Array(piece);
      this.#worker.postMessage({ type: 'input', bytes } satisfies ToWorker, [bytes.buffer]);
      if (++this.#unread >= UNREAD) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#over) return;
    }
    if (!this.#over) this.#worker.postMessage({ type: 'end of input' } satisfies ToWorker);
  }

  read(): void {
    this.#unread--;
    this.#wake?.();
  }

  stop(): void {
    this.#over = true;
    this.#wake?.();
  }
}
