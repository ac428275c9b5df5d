// The machine code that walks a list of system calls (syscall-program.ts), in a child that shares this process' memory or in this process
// itself: no JavaScript can run there. Any other processor has none, and canRunPrograms() says so.
//
// A step is ten words of 8 bytes: number, six arguments, two places for the result (as distances from the step; 0 is none), the distance to
// go after an error. To what is in the first place an error adds 16 times its number.
import type { Span } from './address-space.ts';
import { codePage } from './code-page.ts';
import { machineCode } from './elf-program.ts';
import { bindAddress } from './libc.ts';

/** The child's pid or -errno; with no clone arguments it does not return. */
type Walk = (cloneArguments: number, first: number, report: number) => number;

interface Machine {
  /**
   * long walk(struct clone_args *arguments, struct step *first, uint64_t report[3]): the child's pid, or -errno.
   *
   * The parent returns after clone3; the child, born with the same registers, goes round and round from `next`. Without arguments it is the
   * caller who does, and never returns. The report says where it is (the step at work), the last error and its step.
   */
  walk: string;
  /** uint64_t threadPointer(). */
  threadPointer: string;
  /** From there on, and up to there, lies what the C library has of a thread: before its pointer, behind it, or both. */
  around: { before: number; after: number };
}

const MACHINES: Partial<Record<string, Machine>> = {
  x64: {
    walk: `
    f30f1efa           endbr64
    53                 push  rbx
    4154               push  r12
    4889f3             mov   rbx, rsi          rbx: the step
    4989d4             mov   r12, rdx          r12: the report
    4885ff             test  rdi, rdi
    7415               jz    next
    be58000000         mov   esi, 88
    b8b3010000         mov   eax, 435          clone3(arguments, 88)
    0f05               syscall
    4885c0             test  rax, rax
    7404               jz    next
    415c               pop   r12
    5b                 pop   rbx
    c3                 ret
    49891c24     next: mov   [r12], rbx
    488b03             mov   rax, [rbx]
    488b7b08           mov   rdi, [rbx + 8]
    488b7310           mov   rsi, [rbx + 16]
    488b5318           mov   rdx, [rbx + 24]
    4c8b5320           mov   r10, [rbx + 32]
    4c8b4328           mov   r8, [rbx + 40]
    4c8b4b30           mov   r9, [rbx + 48]
    0f05               syscall
    483d01f0ffff        cmp   rax, -4095       unsigned: these are errors
    731b               jae   error
    488b4b38           mov   rcx, [rbx + 56]
    e304               jrcxz second
    4889040b           mov   [rbx + rcx], rax
    488b4b40   second: mov   rcx, [rbx + 64]
    e304               jrcxz on
    4889040b           mov   [rbx + rcx], rax
    b950000000     on: mov   ecx, 80           to the next step
    eb20               jmp   go
    48f7d8      error: neg   rax
    4989442408         mov   [r12 + 8], rax
    49895c2410         mov   [r12 + 16], rbx
    488b4b38           mov   rcx, [rbx + 56]
    e307               jrcxz other
    c1e004             shl   eax, 4            the errno's entry in a table of struct iovec
    4801040b           add   [rbx + rcx], rax
    488b4b48    other: mov   rcx, [rbx + 72]
    e305               jrcxz exit
    4801cb         go: add   rbx, rcx
    eb97               jmp   next
    bf01000000   exit: mov   edi, 1
    b8e7000000         mov   eax, 231          exit_group(1)
    0f05               syscall`,
    threadPointer: `
    64488b042500000000 mov   rax, fs:[0]
    c3                 ret`,
    around: { before: 0, after: 4096 },
  },
  arm64: {
    walk: `
    e90301aa              mov   x9, x1              x9: the step
    ea0302aa              mov   x10, x2             x10: the report
    c00000b4              cbz   x0, next
    010b80d2              mov   x1, 88
    683680d2              mov   x8, 435             clone3(arguments, 88)
    010000d4              svc   0
    400000b4              cbz   x0, next
    c0035fd6              ret
    490100f9        next: str   x9, [x10]
    280140f9              ldr   x8, [x9]
    208540a9              ldp   x0, x1, [x9, 8]
    228d41a9              ldp   x2, x3, [x9, 24]
    249542a9              ldp   x4, x5, [x9, 40]
    010000d4              svc   0
    1ffc3fb1              cmn   x0, 4095            unsigned: these are errors
    22010054              b.hs  error
    2b1d40f9              ldr   x11, [x9, 56]
    4b0000b4              cbz   x11, second
    20692bf8              str   x0, [x9, x11]
    2b2140f9      second: ldr   x11, [x9, 64]
    4b0000b4              cbz   x11, on
    20692bf8              str   x0, [x9, x11]
    29410191          on: add   x9, x9, 80          to the next step
    f1ffff17              b     next
    e00300cb       error: neg   x0, x0
    40a500a9              stp   x0, x9, [x10, 8]
    2b1d40f9              ldr   x11, [x9, 56]
    8b0000b4              cbz   x11, other
    2c696bf8              ldr   x12, [x9, x11]
    8c11008b              add   x12, x12, x0, lsl 4 the errno's entry in a table of struct iovec
    2c692bf8              str   x12, [x9, x11]
    2b2540f9       other: ldr   x11, [x9, 72]
    6b0000b4              cbz   x11, exit
    29010b8b              add   x9, x9, x11
    e6ffff17              b     next
    200080d2        exit: mov   x0, 1
    c80b80d2              mov   x8, 94              exit_group(1)
    010000d4              svc   0`,
    threadPointer: `
    40d03bd5           mrs   x0, tpidr_el0
    c0035fd6           ret`,
    around: { before: 4096, after: 4096 },
  },
};

/** Whether there is code for this machine. */
export function canRunPrograms(): boolean {
  return MACHINES[process.arch] !== undefined;
}

interface Walker {
  walk: Walk;
  /** The code. */
  span: Span;
  /** The calling thread's control block, with all that the C library keeps there. */
  threadControlBlock: Span;
}

let walker: Walker | undefined;

export function syscallWalker(): Walker {
  walker ??= load(MACHINES[process.arch]);
  return walker;
}

function load(machine: Machine | undefined): Walker {
  if (!machine) throw new Error(`no machine code for ${process.arch}`);
  const { span, addresses } = codePage([machineCode(machine.walk), machineCode(machine.threadPointer)]);
  const [walk = 0, threadPointer = 0] = addresses;
  const pointer = Number(bindAddress(threadPointer, 'uint64_t berth_thread_pointer()')());
  return {
    walk: bindAddress(walk, 'int64_t berth_walk_syscalls(uint64_t, uint64_t, uint64_t)'),
    span,
    threadControlBlock: { start: pointer - machine.around.before, end: pointer + machine.around.after },
  };
}
