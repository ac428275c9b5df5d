// A shim lives for months and does little: V8 sees no reason to collect what each exec leaves, some 20 kB, until there are 15 MB of it. A
// container with a health check would get there in a day. So it is collected now and then, when the shim has a quiet moment.
import { trimHeap } from '@berth/sys/heap';

/** Execs from one collection to the next. */
const EXECS = 50;
/** Milliseconds without an exec before it; a collection takes some ten. */
const QUIET = 500;

export class Tidy {
  #execs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** An exec is over and forgotten. */
  execOver(): void {
    if (++this.#execs < EXECS) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#execs = 0;
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      trimHeap();
    }, QUIET);
    this.#timer.unref();
  }
}
