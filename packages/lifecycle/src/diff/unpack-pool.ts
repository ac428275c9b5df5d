// The threads that read and write layers: as many as there are processors, started when there is work, ended when there has been none
// for a while. Runs in the lifecycle service and in the daemon.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { EngineError } from '@berth/errdefs/engine-error';
import type { FromWorker, Job, ToWorker } from './worker-protocol.ts';

/** Milliseconds after which an idle thread gives its memory back. */
const IDLE = 10_000;
const MOST_WORKERS = 8;

export interface JobOptions {
  onProgress?: (consumed: number) => void;
  /** Receives what the job produces; the next chunk comes after the promise has resolved. */
  onChunk?: (bytes: Uint8Array) => Promise<void>;
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
    const finish = (reusable: boolean) => {
      options.signal?.removeEventListener('abort', abort);
      worker.removeAllListeners('message').removeAllListeners('error').removeAllListeners('exit');
      if (reusable) this.#rest(worker);
      else this.#all.delete(worker);
      this.#next();
    };
    const abort = () => say({ type: 'abort' });
    worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'progress':
          options.onProgress?.(message.consumed);
          return;
        case 'chunk':
          Promise.resolve(options.onChunk?.(message.bytes)).then(
            () => say({ type: 'taken' }),
            (error) => {
              // The reader's error is the one to report; the job's own, that it was aborted, follows and finds nobody.
              reject(error);
              abort();
            },
          );
          return;
        case 'done':
          resolve(message.result);
          return finish(true);
        case 'failed':
          reject(new EngineError(message.kind, message.message, { layer: 'lifecycle', details: message.details }));
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
