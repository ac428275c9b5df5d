// What to take back when a step fails: used with `using`, so leaving the scope without commit() undoes everything, last step first.

export class UndoStack implements Disposable {
  #steps: (() => void)[] = [];

  /** A step that gives back what was just acquired. It must not depend on later steps. */
  defer(step: () => void): void {
    this.#steps.push(step);
  }

  /** All went well: nothing is undone. */
  commit(): void {
    this.#steps = [];
  }

  /** The error that started the undoing is what the caller must see, so a step's own failure is dropped. */
  [Symbol.dispose](): void {
    for (const step of this.#steps.reverse()) {
      try {
        step();
      } catch {}
    }
    this.#steps = [];
  }
}
