// Steps that the lists of system calls have in common (sys/syscall-program.ts): exec's children (exec-program.ts) and an init that
// waits (init/wait-as-program.ts).
import { POLLIN } from '@berth/sys/namespace';
import { NONE, SYSCALL } from '@berth/sys/syscall-numbers';
import type { SyscallProgram } from '@berth/sys/syscall-program';
import type { Filter } from './seccomp/filter.ts';
import { ignoredSignals } from './signals.ts';

const SECCOMP_SET_MODE_FILTER = 1;
const SIG_SETMASK = 2;
const SIGNAL_SET_SIZE = 8;
const KERNEL_SIGACTION_SIZE = 32;
const INSTRUCTION_SIZE = 8;

/** struct sock_fprog: the number of instructions, their address. */
export function loadFilter(program: SyscallProgram, { program: instructions, flags }: Filter): void {
  program.call(SYSCALL.seccomp, [SECCOMP_SET_MODE_FILTER, flags, [instructions.length / INSTRUCTION_SIZE, instructions]]);
}

/** What is ignored would stay so in the program. */
export function defaultSignals(program: SyscallProgram): void {
  for (const signal of ignoredSignals())
    program.call(SYSCALL.rtSigaction, [signal, new Uint8Array(KERNEL_SIGACTION_SIZE), 0, SIGNAL_SET_SIZE]);
}

export function unblockSignals(program: SyscallProgram): void {
  program.call(SYSCALL.rtSigprocmask, [SIG_SETMASK, new Uint8Array(SIGNAL_SET_SIZE), 0, SIGNAL_SET_SIZE]);
}

export function prctl(program: SyscallProgram, option: number, first: number, second = 0): void {
  program.call(SYSCALL.prctl, [option, first, second, 0, 0]);
}

/** Filters that were written for a container's init have poll more often than ppoll, but not every architecture has it. */
export function waitForInput(program: SyscallProgram, fd: number): void {
  // struct pollfd
  const input = bytesOf(Int32Array.of(fd, POLLIN));
  if (SYSCALL.poll === NONE) program.call(SYSCALL.ppoll, [input, 1, 0, 0, SIGNAL_SET_SIZE]);
  else program.call(SYSCALL.poll, [input, 1, -1]);
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
