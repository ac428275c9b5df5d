// A child process that runs no code of ours but a list of system calls, worked out before it is born, and ends in execve(2) or exit.
//
// Fork of a Node process copies its page tables, and parent and child then copy the pages that either writes: milliseconds, to run a few
// dozen system calls. This child shares the memory instead (CLONE_VM) while its parent's thread waits (CLONE_VFORK) until it has executed
// or ended, so nothing is copied. It cannot run JavaScript in there: some hundred bytes of machine code walk the list
// (docs/adr/0006-exec-without-fork.md). What it shares is memory and nothing else: descriptors, working directory, umask, signal
// dispositions and credentials are its own.
import { readFileSync } from 'node:fs';
import { HIGHEST_ADDRESS, LOWEST_ADDRESS, PAGE, type Span } from './address-space.ts';
import { errnoTextOf, memoryAddress, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';
import { syscallWalker } from './syscall-walker.ts';

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
/** Handlers are gone in the child: one of ours that ran there would write into its parent's memory. */
const CLONE_CLEAR_SIGHAND = 2 ** 32;
const CLONE_INTO_CGROUP = 2 ** 33;
const SIGCHLD = 17;

/** errno's numbers, 0 included. */
const ERRNOS = 134;

const WORD = 8;
const HALF = 2 ** 32;
/** Bytes of data that are allocated at once. */
const BLOCK = 16_384;
/** struct clone_args up to `cgroup`, in words. */
const CLONE_ARGUMENTS = 11;
/** In words: where the child is (the step at work), the last error and its step. */
const REPORT = 3;
/** In words. It is never used: no handler runs in the child, and the code pushes nothing there. The kernel wants to have one. */
const STACK = 32;
/** In words; syscall-walker.ts says which. */
const STEP = 10;
const RESULT_PLACES = [7, 8] as const;
const ON_ERROR = 9;

/** The result of an earlier step: an argument of at most two others. */
export interface Result {
  readonly step: number;
}

/** An integer from -2^53 to 2^53, or a string or bytes by their address: they are copied. */
export type Value = number | string | Uint8Array;

/** A list is the address of so many words: an argument vector, or a structure. */
export type Argument = Value | readonly Value[] | Result;

export interface CallOptions {
  /** After an error the program goes on, leaving out so many of the steps that follow. Without it an error ends the child. */
  onErrorSkip?: number;
}

export interface Outcome {
  /** A child of the caller, to be reaped in every case. */
  pid: number;
  /** It got to its execve, which did not fail. Otherwise it has ended, or was killed on the way. */
  executed: boolean;
  /** What ended it. */
  failure: { step: number; errno: number } | undefined;
}

/** A list of system calls in the making: `call` adds one, and its result can be an argument of later ones. */
export class SyscallProgram {
  /** Grown by copying: no step knows its own address. */
  #steps = new Words(128 * STEP);
  #length = 0;
  readonly #isExecve: boolean[] = [];
  readonly #data = new Data();

  /** How many steps there are so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds a call: its number (SYSCALL), up to six arguments, and how far to go after an error; without that an error ends the child. */
  call(number: number, args: readonly Argument[], options: CallOptions = {}): Result {
    const step = this.#length++;
    const at = step * STEP;
    // One more ends the child when no step is left.
    if (at + 2 * STEP > this.#steps.length) this.#steps = this.#steps.grown();
    this.#steps.set(at, number);
    for (let index = 0; index < args.length; index++) {
      const argument = args[index] ?? 0;
      if (typeof argument === 'number') this.#steps.set(at + 1 + index, argument);
      else if (typeof argument === 'object' && 'step' in argument) this.#pass(argument.step, at + 1 + index);
      else this.#steps.set(at + 1 + index, this.#data.address(argument));
    }
    if (options.onErrorSkip !== undefined) this.#steps.set(at + ON_ERROR, (1 + options.onErrorSkip) * STEP * WORD);
    this.#isExecve.push(number === SYSCALL.execve);
    return { step };
  }

  /** The address of a copy, for arguments that several steps have. */
  address(value: string | Uint8Array | readonly Value[]): number {
    return this.#data.address(value);
  }

  /**
   * Runs it in a new child, born in the v2 cgroup of the directory `cgroup`. Returns when the child has executed or ended; this thread
   * stands still until then. The caller has blocked all signals, and the child inherits that: the program unblocks them as it wishes.
   */
  run(options: { cgroup?: number } = {}): Outcome {
    const { walk } = syscallWalker();
    this.#steps.set(this.#length * STEP, SYSCALL.exitGroup);
    this.#steps.set(this.#length * STEP + 1, 1);
    const head = new Words(CLONE_ARGUMENTS + REPORT + STACK);
    const report = head.address + CLONE_ARGUMENTS * WORD;
    head.set(0, CLONE_VM + CLONE_VFORK + CLONE_CLEAR_SIGHAND + (options.cgroup === undefined ? 0 : CLONE_INTO_CGROUP));
    head.set(4, SIGCHLD);
    head.set(5, report + REPORT * WORD);
    head.set(6, STACK * WORD);
    head.set(10, options.cgroup ?? 0);
    const first = this.#steps.address;
    const pid = walk(head.address, first, report);
    if (pid < 0) throw sysError('clone3', ['CLONE_VM'], -pid);

    const [at, errno, failed] = [head.get(CLONE_ARGUMENTS), head.get(CLONE_ARGUMENTS + 1), head.get(CLONE_ARGUMENTS + 2)];
    const step = (address: number) => (address - first) / (STEP * WORD);
    const ended = errno !== 0 && (at === failed || step(at) === this.#length);
    return {
      pid,
      executed: !ended && (this.#isExecve[step(at)] ?? false),
      failure: ended ? { step: step(failed), errno } : undefined,
    };
  }

  /** The steps after one that returns only when it fails, as execve does: writes `prefix`, the text of its error and a line feed. */
  tellError({ step }: Result, descriptor: number, prefix: string): void {
    this.#steps.set(step * STEP + ON_ERROR, STEP * WORD);
    this.call(SYSCALL.write, [descriptor, prefix, Buffer.byteLength(prefix)], { onErrorSkip: 0 });
    const told = this.call(SYSCALL.writev, [descriptor, errorTexts().address, 1]);
    this.#pass(step, told.step * STEP + 2);
  }

  /**
   * This process becomes the program: never returns. All its memory but the list, the code and what the kernel keeps to (the thread's
   * control block, the stack with the command line) is given back first, so that neither waiting nor execve has anything to do with it.
   * The caller has one thread and has blocked all signals.
   */
  become(): never {
    const { walk, span, threadControlBlock } = syscallWalker();
    this.#steps.set(this.#length * STEP, SYSCALL.exitGroup);
    this.#steps.set(this.#length * STEP + 1, 1);
    const report = new Words(CLONE_ARGUMENTS + REPORT);
    const kept = [
      span,
      MAIN_STACK,
      // The kernel writes there whenever it has moved a thread to another processor (rseq(2)).
      threadControlBlock,
      report.span,
      ...this.#data.spans,
      ...errorTexts().data.spans,
    ];
    // One gap before each, and one after the last; the list itself is kept, too.
    const gaps = kept.length + 2;
    const list = new Words((gaps + this.#length + 1) * STEP);
    list.copy(this.#steps, gaps * STEP, (this.#length + 1) * STEP);
    let from = LOWEST_ADDRESS;
    const spans = [...kept, list.span].map(({ start, end }) => ({ start: floorPage(start), end: ceilPage(end) }));
    for (const [index, { start, end }] of [...spans.sort((a, b) => a.start - b.start), { start: HIGHEST_ADDRESS, end: 0 }].entries()) {
      list.set(index * STEP, SYSCALL.munmap);
      list.set(index * STEP + 1, from);
      list.set(index * STEP + 2, Math.max(0, start - from));
      list.set(index * STEP + ON_ERROR, STEP * WORD);
      from = Math.max(from, end);
    }
    walk(0, list.address, report.address);
    throw new Error('unreachable');
  }

  #pass(from: number, to: number): void {
    const at = from * STEP;
    const place = RESULT_PLACES.find((word) => this.#steps.get(at + word) === 0);
    if (place === undefined) throw new RangeError(`the result of step ${from} is used more than twice`);
    this.#steps.set(at + place, (to - at) * WORD);
  }
}

/** `data` has the bytes behind the address: forgotten, they would be somebody else's after the next collection. */
let texts: { address: number; data: Data } | undefined;

/** struct iovec[]: the text of each errno, and a line feed. Made once, for all forks. */
function errorTexts(): { address: number; data: Data } {
  if (texts) return texts;
  const data = new Data();
  const lines = Array.from({ length: ERRNOS }, (_, errno) => Buffer.from(`${errnoTextOf(errno)}\n`));
  const address = data.address(lines.flatMap((line) => [line, line.length]));
  texts = { address, data };
  return texts;
}

/** Of the main thread, as it was at the start: the command line that others see is at its end. */
const MAIN_STACK: Span = (() => {
  const [, start = '0', end = '0'] = /^([0-9a-f]+)-([0-9a-f]+) .*\[stack\]$/m.exec(readFileSync('/proc/self/maps', 'latin1')) ?? [];
  return { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
})();

const floorPage = (address: number) => Math.floor(address / PAGE) * PAGE;
const ceilPage = (address: number) => Math.ceil(address / PAGE) * PAGE;

/** Memory with an address that stays, as words of 8 bytes. */
class Words {
  readonly length: number;
  readonly #halves: Uint32Array;

  constructor(length: number) {
    this.length = length;
    this.#halves = new Uint32Array(length * 2);
  }

  get address(): number {
    return memoryAddress(this.#halves);
  }

  get span(): Span {
    return { start: this.address, end: this.address + this.#halves.byteLength };
  }

  copy(from: Words, to: number, length: number): void {
    this.#halves.set(from.#halves.subarray(0, length * 2), to * 2);
  }

  set(at: number, value: number): void {
    this.#halves[at * 2] = value;
    this.#halves[at * 2 + 1] = Math.floor(value / HALF);
  }

  get(at: number): number {
    return (this.#halves[at * 2] ?? 0) + (this.#halves[at * 2 + 1] ?? 0) * HALF;
  }

  grown(): Words {
    const grown = new Words(this.length * 2);
    grown.#halves.set(this.#halves);
    return grown;
  }
}

/** What arguments point to: copies, in blocks that stay where they are. */
class Data {
  #block = Buffer.alloc(0);
  #base = 0;
  #used = 0;
  /** The kernel reads by address what JavaScript has forgotten. */
  readonly #kept: Uint8Array[] = [];

  get spans(): Span[] {
    return this.#kept.map((block) => ({ start: memoryAddress(block), end: memoryAddress(block) + block.length }));
  }

  address(value: string | Uint8Array | readonly Value[]): number {
    if (typeof value === 'string') return this.#copy(Buffer.from(`${value}\0`));
    if (value instanceof Uint8Array) return this.#copy(value);
    const words = value.map((item) => BigInt(typeof item === 'number' ? item : this.address(item)));
    return this.#copy(new Uint8Array(BigInt64Array.from(words).buffer));
  }

  #copy(bytes: Uint8Array): number {
    if (this.#used + bytes.length > this.#block.length) {
      this.#block = Buffer.alloc(Math.max(BLOCK, bytes.length));
      this.#base = memoryAddress(this.#block);
      this.#used = 0;
      this.#kept.push(this.#block);
    }
    this.#block.set(bytes, this.#used);
    const address = this.#base + this.#used;
    this.#used += Math.ceil(bytes.length / WORD) * WORD;
    return address;
  }
}
