// init.pid in the bundle, where who cleans up after a shim finds init.
import { renameSync, rmSync, writeFileSync } from 'node:fs';

export class PidFile implements Disposable {
  readonly #path: string;
  #drafted = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Writes it, for nobody to see yet. */
  draft(pid: number): void {
    writeFileSync(this.#temporary, String(pid));
    this.#drafted = pid;
  }

  /** Whole or not at all: others read the file as soon as it is there. */
  publish(pid: number): void {
    if (this.#drafted !== pid) this.draft(pid);
    renameSync(this.#temporary, this.#path);
  }

  /** Takes a draft back. */
  [Symbol.dispose](): void {
    rmSync(this.#temporary, { force: true });
  }

  get #temporary(): string {
    return `${this.#path}.tmp`;
  }
}
