// A child process that runs no code of ours but a list of system calls, worked out before it is born, and ends in execve(2) or exit.
//
// Fork of a Node process copies its page tables, and parent and child then copy the pages that either writes: milliseconds, to run a few
// dozen system calls. This child shares the memory instead (CLONE_VM) while its parent's thread waits (CLONE_VFORK) until it has executed
// or ended, so nothing is copied. It cannot run JavaScript in there: sixty bytes of machine code walk the list
// (docs/adr/0006-exec-without-fork.md). What it shares is memory and nothing else: descriptors, working directory, umask, signal
// dispositions and credentials are its own.
import { bind, bindAddress, memoryAddress, memoryView, sysError } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const mmap = bind('uint64_t mmap(uint64_t, size_t, int, int, int, int64_t)');
const mprotect = bind('int mprotect(uint64_t, size_t, int)');

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const PAGE = 4096;

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
/** Handlers are gone in the child: one of ours that ran there would write into its parent's memory. */
const CLONE_CLEAR_SIGHAND = 2 ** 32;
const CLONE_INTO_CGROUP = 2 ** 33;
const SIGCHLD = 17;

/** Words of 8 bytes: struct clone_args up to `cgroup`. */
const CLONE_ARGUMENTS = 11;
/** Where the child is (the step at work), the last error and its step. */
const REPORT = 3;
/** The child's stack is never used: no handler runs there, the code pushes nothing. The kernel wants to have one. */
const STACK = 32;
/** number, six arguments, two places that the result goes to, the next step, the step after an error. */
const STEP = 11;
const RESULT_PLACES = 2;
const WORD = 8;
const HALF = 2 ** 32;

/**
 * long run(struct clone_args *arguments, struct step *first, uint64_t report[3]): the child's pid, or -errno.
 *
 * The parent returns at `test`; the child, born with the same registers, goes round and round from `next`.
 */
const CODE: Partial<Record<string, string>> = {
  x64: `
    f30f1efa        endbr64
    53              push  rbx
    4154            push  r12
    4889f3          mov   rbx, rsi              rbx: the step
    4989d4          mov   r12, rdx              r12: the report
    be58000000      mov   esi, 88
    b8b3010000      mov   eax, 435              clone3(arguments, 88)
    0f05            syscall
    4885c0          test  rax, rax
    7404            jz    next
    415c            pop   r12
    5b              pop   rbx
    c3              ret
    49891c24  next: mov   [r12], rbx
    488b03          mov   rax, [rbx]
    488b7b08        mov   rdi, [rbx + 8]
    488b7310        mov   rsi, [rbx + 16]
    488b5318        mov   rdx, [rbx + 24]
    4c8b5320        mov   r10, [rbx + 32]
    4c8b4328        mov   r8, [rbx + 40]
    4c8b4b30        mov   r9, [rbx + 48]
    0f05            syscall
    483d01f0ffff    cmp   rax, -4095            unsigned: these are errors
    7314            jae   error
    488b4b38        mov   rcx, [rbx + 56]
    488901          mov   [rcx], rax
    488b4b40        mov   rcx, [rbx + 64]
    488901          mov   [rcx], rax
    488b5b48        mov   rbx, [rbx + 72]
    ebc3            jmp   next
    48f7d8   error: neg   rax
    4989442408      mov   [r12 + 8], rax
    49895c2410      mov   [r12 + 16], rbx
    488b5b50        mov   rbx, [rbx + 80]
    ebb0            jmp   next`,
};

type Run = (cloneArguments: Uint8Array, first: number, report: number) => number;

let code: Run | undefined;

/** Whether there is code for this machine. */
export function canRunPrograms(): boolean {
  return CODE[process.arch] !== undefined;
}

/** One page for the life of the process and its forks; it is never writable and executable at once. */
function machineCode(): Run {
  if (code) return code;
  const bytes = Buffer.from([...(CODE[process.arch] ?? '').matchAll(/^ +([0-9a-f]+)/gm)].map(([, hex]) => hex).join(''), 'hex');
  const address = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address >= 2 ** 63) throw sysError('mmap');
  memoryView(address, bytes.length).set(bytes);
  if (mprotect(address, PAGE, PROT_READ | PROT_EXEC) < 0) throw sysError('mprotect');
  code = bindAddress(address, 'int64_t berth_run_syscall_program(void*, uint64_t, uint64_t)');
  return code;
}

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

export class SyscallProgram {
  readonly #steps: { number: number; args: readonly Argument[]; onErrorSkip: number | undefined }[] = [];

  get length(): number {
    return this.#steps.length;
  }

  call(number: number, args: readonly Argument[], options: CallOptions = {}): Result {
    return { step: this.#steps.push({ number, args, onErrorSkip: options.onErrorSkip }) - 1 };
  }

  /**
   * Runs it in a new child, born in the v2 cgroup of the directory `cgroup`. Returns when the child has executed or ended; this thread
   * stands still until then. The caller has blocked all signals, and the child inherits that: the program unblocks them as it wishes.
   */
  run(options: { cgroup?: number } = {}): Outcome {
    const run = machineCode();
    const memory = new Memory();
    const head = memory.reserve(CLONE_ARGUMENTS + REPORT + STACK);
    // One more, which ends the child: whatever fails goes there, and who gets there without an execve as well.
    const first = memory.reserve((this.#steps.length + 1) * STEP);
    const address = (step: number) => first + Math.min(step, this.#steps.length) * STEP;
    const results = this.#steps.map(() => [] as number[]);
    const unused = memory.reserve(1);
    for (const [index, { number, args, onErrorSkip }] of this.#steps.entries()) {
      const at = address(index);
      memory.set(at, number);
      for (const [position, argument] of args.entries()) {
        if (typeof argument === 'object' && 'step' in argument) results[argument.step]?.push(at + 1 + position);
        else memory.setArgument(at + 1 + position, argument);
      }
      memory.setPointer(at + 9, address(index + 1));
      memory.setPointer(at + 10, onErrorSkip === undefined ? address(this.#steps.length) : address(index + 1 + onErrorSkip));
    }
    for (const [index, users] of results.entries()) {
      if (users.length > RESULT_PLACES) throw new RangeError(`the result of step ${index} is used ${users.length} times`);
      for (let place = 0; place < RESULT_PLACES; place++) memory.setPointer(address(index) + 7 + place, users[place] ?? unused);
    }
    const last = address(this.#steps.length);
    memory.set(last, SYSCALL.exitGroup);
    memory.set(last + 1, 1);

    const report = head + CLONE_ARGUMENTS;
    memory.set(head, CLONE_VM + CLONE_VFORK + CLONE_CLEAR_SIGHAND + (options.cgroup === undefined ? 0 : CLONE_INTO_CGROUP));
    memory.set(head + 4, SIGCHLD);
    memory.setPointer(head + 5, report + REPORT);
    memory.set(head + 6, STACK * WORD);
    memory.set(head + 10, options.cgroup ?? 0);
    const bytes = memory.fix();
    const base = memoryAddress(bytes);
    const pid = run(bytes, base + first * WORD, base + report * WORD);
    if (pid < 0) throw sysError('clone3', ['CLONE_VM'], -pid);

    const word = (index: number) => Number(bytes.readBigUInt64LE(index * WORD));
    const step = (pointer: number) => ((pointer - base) / WORD - first) / STEP;
    const at = step(word(report));
    const failed = at === this.#steps.length;
    return {
      pid,
      executed: this.#steps[at]?.number === SYSCALL.execve,
      failure: failed ? { step: step(word(report + 2)), errno: word(report + 1) } : undefined,
    };
  }
}

/** One block of memory that is laid out before its address is known; pointers into it are put in at the end. Positions are words. */
class Memory {
  #words = new Uint32Array(4096);
  #length = 0;
  /** Positions of words that hold positions so far. */
  readonly #pointers: number[] = [];

  reserve(words: number): number {
    const at = this.#length;
    this.#length += words;
    if (this.#length * 2 > this.#words.length) {
      const larger = new Uint32Array(Math.max(this.#length * 2, this.#words.length * 2));
      larger.set(this.#words);
      this.#words = larger;
    }
    return at;
  }

  set(at: number, value: number): void {
    this.#words[at * 2] = value;
    this.#words[at * 2 + 1] = Math.floor(value / HALF);
  }

  setPointer(at: number, to: number): void {
    this.set(at, to);
    this.#pointers.push(at);
  }

  setArgument(at: number, argument: Value | readonly Value[]): void {
    if (typeof argument === 'number') this.set(at, argument);
    else if (typeof argument === 'string') this.setPointer(at, this.#copy(Buffer.from(`${argument}\0`)));
    else if (argument instanceof Uint8Array) this.setPointer(at, this.#copy(argument));
    else {
      const words = this.reserve(argument.length);
      for (const [index, value] of argument.entries()) this.setArgument(words + index, value);
      this.setPointer(at, words);
    }
  }

  /** The finished block. */
  fix(): Buffer {
    const bytes = Buffer.from(this.#words.buffer, 0, this.#length * WORD);
    const base = memoryAddress(bytes);
    for (const at of this.#pointers) this.set(at, base + (this.#words[at * 2] ?? 0) * WORD);
    return bytes;
  }

  #copy(bytes: Uint8Array): number {
    const at = this.reserve(Math.ceil(bytes.length / WORD));
    Buffer.from(this.#words.buffer).set(bytes, at * WORD);
    return at;
  }
}
