// So many bytes a second, over all that one transfer moves: whoever has moved some waits until they were due.
import { setTimeout as sleep } from 'node:timers/promises';

/** Shorter waits are saved up: timers are not that exact, and each costs a turn. Milliseconds. */
const SHORTEST_WAIT = 10;

export class Rate {
  readonly #bytesPerMs: number;
  #dueAt = 0;

  /** Without a number, as fast as it goes. */
  constructor(bytesPerSecond: number = Number.POSITIVE_INFINITY) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  async moved(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    this.#dueAt = Math.max(this.#dueAt, now) + bytes / this.#bytesPerMs;
    const wait = this.#dueAt - now;
    if (wait >= SHORTEST_WAIT) await sleep(wait, undefined, signal ? { signal } : {});
  }

  /** The chunks, no faster than that. */
  async *limit<T extends Uint8Array>(chunks: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    for await (const chunk of chunks) {
      yield chunk;
      await this.moved(chunk.length, signal);
    }
  }
}
