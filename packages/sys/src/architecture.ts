// The architectures that programs of this host may be built for, as the kernel tells them apart: audit tokens, word sizes, numbers of system
// calls. Whatever holds on one architecture only is in this package, most of it here and in syscall-numbers.ts.
//
// Read by the compiler of filters. Facts: linux/audit.h AUDIT_ARCH_*, the kernel's tables of system calls. Only architectures that one of our
// hosts can execute are here; a program of another one cannot reach the kernel there.
import { ARM_SYSCALLS } from './syscall-tables/arm.ts';
import { ARM64_SYSCALLS } from './syscall-tables/arm64.ts';
import { SHARED_SYSCALLS } from './syscall-tables/shared.ts';
import { X32_MISSING_SYSCALLS, X32_OWN_SYSCALLS } from './syscall-tables/x32.ts';
import { X86_SYSCALLS } from './syscall-tables/x86.ts';
import { X86_64_SYSCALLS } from './syscall-tables/x86-64.ts';

export type ArchitectureName = 'x86_64' | 'x86' | 'x32' | 'aarch64' | 'arm';

export interface Architecture {
  name: ArchitectureName;
  /** What the kernel puts into seccomp_data.arch. Two architectures may share one: then the numbers tell them apart. */
  auditToken: number;
  /** Arguments are 64 bits wide. Of narrow ones only the low word counts: the kernel drops the rest, so a filter must not look at it. */
  wide: boolean;
  /** The lowest number of a system call. */
  firstSyscall: number;
  /** From here on numbers are another architecture's with the same token. */
  syscallsEnd: number | undefined;
  /** Some calls can also be made through one that takes their number: socketcall(2), ipc(2). */
  multiplexes: boolean;
  syscalls: ReadonlyMap<string, number>;
}

const X32_BIT = 0x40000000;

type Facts = Omit<Architecture, 'name' | 'syscalls'>;
const PLAIN = { wide: true, firstSyscall: 0, syscallsEnd: undefined, multiplexes: false };
const FACTS: Readonly<Record<ArchitectureName, Facts>> = {
  x86_64: { ...PLAIN, auditToken: 0xc000003e, syscallsEnd: X32_BIT },
  x86: { ...PLAIN, auditToken: 0x40000003, wide: false, multiplexes: true },
  x32: { ...PLAIN, auditToken: 0xc000003e, wide: false, firstSyscall: X32_BIT },
  aarch64: { ...PLAIN, auditToken: 0xc00000b7 },
  arm: { ...PLAIN, auditToken: 0x40000028, wide: false },
};

export const ARCHITECTURES = Object.keys(FACTS) as ArchitectureName[];

/** What this process is built for. */
export const NATIVE: ArchitectureName = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

/** Whether the host can execute programs for it. */
export function isExecutable(name: ArchitectureName): boolean {
  const arm = (each: ArchitectureName) => each === 'aarch64' || each === 'arm';
  return arm(name) === arm(NATIVE);
}

/** Parsed anew each time: who compiles one filter is not to keep the tables. */
export function architecture(name: ArchitectureName): Architecture {
  return { name, ...FACTS[name], syscalls: tableOf(name) };
}

function tableOf(name: ArchitectureName): Map<string, number> {
  switch (name) {
    case 'x86_64':
      return parse(X86_64_SYSCALLS);
    case 'x86':
      return parse(X86_SYSCALLS);
    case 'aarch64':
      return parse(ARM64_SYSCALLS);
    case 'arm':
      return parse(ARM_SYSCALLS);
    case 'x32': {
      const table = new Map([...parse(X86_64_SYSCALLS), ...parse(X32_OWN_SYSCALLS)]);
      for (const syscall of X32_MISSING_SYSCALLS.split(' ')) table.delete(syscall);
      return new Map([...table].map(([syscall, number]) => [syscall, number + X32_BIT]));
    }
  }
}

/** The tables' form: a number sets the counter, each name takes the next one. */
function parse(text: string): Map<string, number> {
  const table = new Map<string, number>();
  let next = 0;
  for (const word of `${text} ${SHARED_SYSCALLS}`.split(/\s+/)) {
    if (word.endsWith(':')) next = Number(word.slice(0, -1));
    else if (word !== '') table.set(word, next++);
  }
  return table;
}
