// A queue of one: changes of one object (a container's start, stop, removal) happen one after the other.

export class Lock {
  #tail: Promise<void> = Promise.resolve();

  /** Runs `body` when all earlier holders are done. */
  async run<T>(body: () => Promise<T> | T): Promise<T> {
    const before = this.#tail;
    let release: () => void = () => {};
    this.#tail = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      return await body();
    } finally {
      release();
    }
  }
}
