// Messages that arrive by callback and are read by `for await`: the receiving side of a streaming call.

/** Keeps what is pushed until it is read, however much that is. For one reader. */
export class Inbox<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #end: { error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** One message more; none after the end. */
  push(message: T): void {
    if (this.#end) return;
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** No more messages: readers end after those that wait. */
  close(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Readers throw `error` after the messages that wait. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting;
        this.#waiting = [];
        yield* batch;
      }
      if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
