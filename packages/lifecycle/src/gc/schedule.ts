// When garbage is collected: at once for whoever waits for it, otherwise a moment after the last deletions or changes, so that many in a
// row are one collection. Never two at a time. The thresholds are those of containerd's scheduler (its docs/garbage-collection.md).

export interface CollectionPace {
  /** Share of the time that collections may take: the next one that nobody waits for comes no sooner than that. */
  pauseThreshold: number;
  /** Deletions after which garbage is collected; 0 is as 1. */
  deletionThreshold: number;
  /** Other changes after which it is; 0: never. */
  mutationThreshold: number;
  /** Milliseconds from then to the collection. */
  scheduleDelay: number;
}

export const DEFAULT_PACE: CollectionPace = { pauseThreshold: 0.02, deletionThreshold: 0, mutationThreshold: 0, scheduleDelay: 500 };

export class CollectionSchedule implements AsyncDisposable {
  readonly #collect: () => Promise<unknown>;
  readonly #failed: (error: unknown) => void;
  readonly #pace: CollectionPace;
  #deletions = 0;
  #mutations = 0;
  /** Of performance.now(): before this, no collection that nobody waits for. */
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** A collection that begins when the running one has ended. */
  #next: Promise<void> | undefined;

  constructor(collect: () => Promise<unknown>, failed: (error: unknown) => void, pace: CollectionPace = DEFAULT_PACE) {
    this.#collect = collect;
    this.#failed = failed;
    this.#pace = pace;
  }

  /** Something is gone whose references may have been the last. */
  deleted(): void {
    this.#deletions++;
    if (this.#deletions >= this.#pace.deletionThreshold) this.soon(this.#pace.scheduleDelay);
  }

  /** Something was made or changed. */
  changed(): void {
    this.#mutations++;
    const { mutationThreshold, scheduleDelay } = this.#pace;
    if (mutationThreshold > 0 && this.#mutations >= mutationThreshold) this.soon(scheduleDelay);
  }

  /** Collects in so many milliseconds, unless a collection is due already; a failure is reported, not thrown. */
  soon(delay: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.now().catch(this.#failed);
      },
      Math.max(delay, this.#notBefore - performance.now()),
    ).unref();
  }

  /** Resolves when everything that is garbage at this moment has been collected. */
  now(): Promise<void> {
    if (!this.#running) return this.#start();
    // What became garbage after the running collection looked is left to another one, which all who come meanwhile share.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  /** Waits for the collection that runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running?.catch(() => {});
  }

  #start(): Promise<void> {
    // One that was to come in a moment has nothing left to do.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#deletions = 0;
    this.#mutations = 0;
    const started = performance.now();
    const running = this.#collect().then(() => {});
    this.#running = running;
    const over = () => {
      const { pauseThreshold } = this.#pace;
      const ended = performance.now();
      if (pauseThreshold > 0) this.#notBefore = ended + (ended - started) * (1 / pauseThreshold - 1);
      if (this.#running === running) this.#running = undefined;
    };
    running.then(over, over);
    return running;
  }
}
