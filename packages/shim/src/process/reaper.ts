// Reaps every child of the shim: init, exec'd processes, helpers, and orphans that the kernel hands to a subreaper (prctl(2)).
// It waits for any child, so nothing else in this process may: node:child_process is not used in shims.
import { type Exit, waitpid } from '@berth/sys/wait';

const ANY_CHILD = -1;
/** Exits that nobody asked for yet: a runtime's command line tells the pid of an init that may be gone by then. */
const UNCLAIMED = 64;

export class Reaper {
  readonly #watchers = new Map<number, (exit: Exit) => void>();
  readonly #unclaimed = new Map<number, Exit>();

  readonly #onChild = () => this.reap();

  constructor() {
    process.on('SIGCHLD', this.#onChild);
  }

  /** Children are reaped no more. */
  close(): void {
    process.off('SIGCHLD', this.#onChild);
  }

  /** Calls `exited` once when the child has gone, also when it has already. */
  watch(pid: number, exited: (exit: Exit) => void): void {
    const gone = this.#unclaimed.get(pid);
    this.#unclaimed.delete(pid);
    if (gone) queueMicrotask(() => exited(gone));
    else this.#watchers.set(pid, exited);
  }

  /** One SIGCHLD may stand for many children. */
  reap(): void {
    for (let exit = waitpid(ANY_CHILD, { noHang: true }); exit; exit = waitpid(ANY_CHILD, { noHang: true })) {
      const watcher = this.#watchers.get(exit.pid);
      this.#watchers.delete(exit.pid);
      if (watcher) watcher(exit);
      else this.#keep(exit);
    }
  }

  #keep(exit: Exit): void {
    this.#unclaimed.set(exit.pid, exit);
    if (this.#unclaimed.size <= UNCLAIMED) return;
    const [oldest] = this.#unclaimed.keys();
    if (oldest !== undefined) this.#unclaimed.delete(oldest);
  }
}
