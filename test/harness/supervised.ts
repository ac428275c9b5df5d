// A program all of whose steps can be stopped at: a seccomp supervisor (packages/sys/src/seccomp-supervisor.ts) sees each system call
// that changes something, in the program and in whatever it starts, before the kernel carries it out. So a test can kill a process at
// its n-th step, whatever the machine's speed; and that no supervised process is left is a fact that the kernel tells.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { Architectures, architecturesOf } from '@berth/runtime/seccomp/architectures';
import { acceptUnix, listenUnix, receiveWithFds } from '@berth/sys/fd-passing';
import { POLLIN, poll } from '@berth/sys/namespace';
import { continueSyscall, receiveSyscall } from '@berth/sys/seccomp-supervisor';

const CHILD = join(import.meta.dirname, 'supervised-child.ts');
const POLLHUP = 16;

export interface Step {
  /** From 1, over all processes. */
  index: number;
  pid: number;
  /** The system call's name. */
  name: string;
}

export interface SupervisedOptions {
  /** For the socket and the output. */
  directory: string;
  /** Names of the system calls that are steps. */
  steps: readonly string[];
  /** Runs before the step is carried out. */
  onStep: (step: Step) => void;
  env?: NodeJS.ProcessEnv;
}

export class Supervised {
  readonly pid: number;
  readonly #listener: number;
  readonly #exited: Promise<unknown[]>;
  readonly #output: string;
  readonly #onStep: (step: Step) => void;
  #count = 0;
  #gone = false;
  readonly #serving: Promise<void>;

  private constructor(command: readonly string[], { directory, steps, onStep, env }: SupervisedOptions) {
    const path = join(directory, 'supervisor.sock');
    rmSync(path, { force: true });
    const socket = listenUnix(path);
    this.#output = join(directory, 'supervised.out');
    const output = openSync(this.#output, 'w');
    // Names that this architecture lacks are left out by the compiler of filters.
    const child = spawn(process.execPath, [CHILD, path, steps.join(','), ...command], {
      stdio: ['ignore', output, output],
      ...(env ? { env } : {}),
    });
    closeSync(output);
    this.pid = child.pid ?? -1;
    this.#exited = once(child, 'exit');
    const connection = acceptUnix(socket);
    closeSync(socket);
    const { fds } = receiveWithFds(connection, 64);
    closeSync(connection);
    this.#listener = fds[0] ?? -1;
    this.#onStep = onStep;
    this.#serving = this.#serve();
  }

  static start(command: readonly string[], options: SupervisedOptions): Supervised {
    return new Supervised(command, options);
  }

  /** What the program itself ended with, once it has. */
  async exit(): Promise<{ code: number | null; output: string }> {
    const [code] = (await this.#exited) as [number | null];
    return { code, output: readFileSync(this.#output, 'utf8') };
  }

  /** Waits, at most 10 s, until no supervised process is left; false when one is. */
  async noneLeft(): Promise<boolean> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline && !this.#gone; ) await sleep(5);
    return this.#gone;
  }

  /** Steps so far. */
  get count(): number {
    return this.#count;
  }

  /** Once none is left. */
  async close(): Promise<void> {
    await this.#serving;
    closeSync(this.#listener);
  }

  async #serve(): Promise<void> {
    for (;;) {
      const events = poll(this.#listener, POLLIN, 2);
      if (events & POLLIN) this.#take();
      else if (events & POLLHUP) break;
      await setImmediate();
    }
    this.#gone = true;
  }

  #take(): void {
    const call = receiveSyscall(this.#listener);
    if (!call) return;
    this.#onStep({ index: ++this.#count, pid: call.pid, name: nameOf(call.syscall) });
    continueSyscall(this.#listener, call.id);
  }
}

let names: Map<number, string> | undefined;
function nameOf(number: number): string {
  names ??= new Map([...new Architectures().get(architecturesOf([])[0] ?? 'x86_64').syscalls].map(([name, value]) => [value, name]));
  return names.get(number) ?? `#${number}`;
}
