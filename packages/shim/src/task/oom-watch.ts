// Tells of processes that the kernel killed for want of memory, as containerd's shims do with /tasks/oom: while the container runs, and
// of those that nobody has heard of when it ends. A container that lives for a moment pays for none of this.
import type { RuntimeContainer } from '../runtime/runtime.ts';

/** Milliseconds from the start of a container to the start of the watch: what happens before is seen then. */
const LEISURE = 250;
const SECOND_LOOK = 100;

export interface OomWatchOptions {
  container: Pick<RuntimeContainer, 'oomKills' | 'watchOom'>;
  tell: () => void;
  log: (message: string) => void;
}

export class OomWatch {
  readonly #options: OomWatchOptions;
  /** Kills that have been told of. */
  #told = 0;
  #timer: NodeJS.Timeout | undefined;
  #watch: Disposable | undefined;
  #secondLook: NodeJS.Timeout | undefined;

  constructor(options: OomWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      try {
        this.#watch = this.#options.container.watchOom(() => this.#changed());
        this.#look();
      } catch (error) {
        this.#options.log(`OOM watch: ${(error as Error).message}`);
      }
    }, LEISURE).unref();
  }

  /** The first process has gone: what has not been told is told now. */
  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#secondLook);
    this.#watch?.[Symbol.dispose]();
    this.#look();
  }

  /** cgroup v1 says that memory has run out before it kills and counts. */
  #changed(): void {
    this.#look();
    this.#secondLook ??= setTimeout(() => {
      this.#secondLook = undefined;
      this.#look();
    }, SECOND_LOOK).unref();
  }

  #look(): void {
    let kills: number;
    try {
      kills = this.#options.container.oomKills();
    } catch (error) {
      // The cgroup may be gone already; then nobody can say.
      this.#options.log(`OOM count: ${(error as Error).message}`);
      return;
    }
    if (kills <= this.#told) return;
    this.#told = kills;
    this.#options.tell();
  }
}
