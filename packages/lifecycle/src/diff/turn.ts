// Work on many small files is system calls in a row. A process that serves others as well does it in turns, as long as the clock says:
// how much a number of files is depends on the disk.
import { setImmediate } from 'node:timers/promises';

/** Milliseconds for one turn of the event loop. */
const LENGTH = 5;

export class Turn {
  #began = performance.now();

  get over(): boolean {
    return performance.now() - this.#began >= LENGTH;
  }

  /** Lets the others have theirs. */
  async next(): Promise<void> {
    await setImmediate();
    this.#began = performance.now();
  }
}
