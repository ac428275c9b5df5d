// When garbage is collected: at once for whoever waits for it, otherwise a moment after the last deletion, so that many deletions in a
// row are one collection. Never two at a time.

/** Milliseconds after a deletion. */
const PAUSE = 500;

export class CollectionSchedule implements AsyncDisposable {
  readonly #collect: () => Promise<unknown>;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** A collection that begins when the running one has ended. */
  #next: Promise<void> | undefined;

  constructor(collect: () => Promise<unknown>, failed: (error: unknown) => void) {
    this.#collect = collect;
    this.#failed = failed;
  }

  /** Collects in a moment; a failure is reported, not thrown. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.now().catch(this.#failed);
    }, PAUSE).unref();
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
    const running = this.#collect().then(() => {});
    this.#running = running;
    const over = () => {
      if (this.#running === running) this.#running = undefined;
    };
    running.then(over, over);
    return running;
  }
}
