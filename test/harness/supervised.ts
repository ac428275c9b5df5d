// Processes all of whose steps can be stopped at: a seccomp supervisor (packages/sys/src/seccomp-supervisor.ts) sees each system call
// that changes something, in a program and in whatever it starts, before the kernel carries it out. So a test can kill a process at
// its n-th step, whatever the machine's speed; and that no supervised process is left is a fact that the kernel tells.
import { closeSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { architecture, NATIVE } from '@berth/sys/architecture';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { POLLIN, poll } from '@berth/sys/namespace';
import { continueSyscall, receiveSyscall } from '@berth/sys/seccomp-supervisor';

const CHILD = join(import.meta.dirname, 'supervised-child.ts');
const POLLHUP = 16;
/** Calls that are answered before another descriptor gets its turn. */
const TURN = 64;

export interface Step {
  pid: number;
  /** The system call's name. */
  name: string;
}

export class Supervisor {
  /** Runs before each step is carried out. */
  onStep: (step: Step) => void = () => {};
  readonly #path: string;
  readonly #socket: number;
  /** One for each program that was started, as long as it or a descendant lives. */
  readonly #listeners = new Set<number>();
  readonly #steps: readonly string[];
  #serving: Promise<void> | undefined;

  /** `directory`: for a socket. `steps`: names of system calls; those that this architecture lacks are left out. */
  constructor(directory: string, steps: readonly string[]) {
    this.#path = join(directory, 'supervisor.sock');
    rmSync(this.#path, { force: true });
    this.#socket = listenUnix(this.#path);
    this.#steps = steps;
  }

  /** What to start in place of a program: it becomes the program, under supervision. accept() has to follow at once. */
  command(words: readonly string[]): [program: string, args: string[]] {
    return [process.execPath, [CHILD, this.#path, this.#steps.join(','), ...words]];
  }

  /** Blocks until the program that has just been started is supervised. */
  accept(): void {
    const connection = acceptUnix(this.#socket);
    const { fds } = receiveWithFds(connection, 64);
    closeSync(connection);
    this.#listeners.add(fds[0] ?? -1);
    this.#serving ??= this.#serve();
  }

  /** Waits, at most 10 s, until no supervised process is left; false when one is. */
  async noneLeft(): Promise<boolean> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline && this.#listeners.size > 0; ) await sleep(5);
    return this.#listeners.size === 0;
  }

  /** Once none is left. */
  async close(): Promise<void> {
    await this.#serving;
    closeSync(this.#socket);
    rmSync(this.#path, { force: true });
  }

  async #serve(): Promise<void> {
    for (; this.#listeners.size > 0; await setImmediate()) {
      let idle = true;
      for (const listener of this.#listeners) if (this.#serveOne(listener)) idle = false;
      if (idle) await sleep(1);
    }
    this.#serving = undefined;
  }

  /** True when there was something to do. */
  #serveOne(listener: number): boolean {
    for (let count = 0; count < TURN; count++) {
      const events = poll(listener, POLLIN, 0);
      if (events & POLLIN) this.#take(listener);
      else {
        if (events & POLLHUP) {
          this.#listeners.delete(listener);
          closeSync(listener);
        }
        return count > 0;
      }
    }
    return true;
  }

  #take(listener: number): void {
    const call = receiveSyscall(listener);
    if (!call) return;
    const pid = processOf(call.pid);
    // Undefined: it has died meanwhile.
    if (pid !== undefined) this.onStep({ pid, name: nameOf(call.syscall) });
    continueSyscall(listener, call.id);
  }
}

/** The process of a thread. */
function processOf(thread: number): number | undefined {
  try {
    return Number(/^Tgid:\s+(\d+)/m.exec(readFileSync(`/proc/${thread}/status`, 'latin1'))?.[1]);
  } catch {
    return undefined;
  }
}

let names: Map<number, string> | undefined;
function nameOf(number: number): string {
  names ??= new Map([...architecture(NATIVE).syscalls].map(([name, value]) => [value, name]));
  return names.get(number) ?? `#${number}`;
}
