// The architectures that a filter may name: their audit tokens, word sizes and system call numbers.
//
// Read by the compiler. Facts: linux/audit.h AUDIT_ARCH_*, runtime-spec's list of SCMP_ARCH_* names. Only architectures that
// one of our hosts can execute have a table; a program of another one cannot reach the kernel there.
import { EngineError } from '@berth/errdefs/engine-error';
import { ARM_SYSCALLS } from './syscalls/arm.ts';
import { ARM64_SYSCALLS } from './syscalls/arm64.ts';
import { SHARED_SYSCALLS } from './syscalls/shared.ts';
import { X32_MISSING_SYSCALLS, X32_OWN_SYSCALLS } from './syscalls/x32.ts';
import { X86_SYSCALLS } from './syscalls/x86.ts';
import { X86_64_SYSCALLS } from './syscalls/x86-64.ts';

export type ArchitectureName = 'x86_64' | 'x86' | 'x32' | 'aarch64' | 'arm';

export interface Architecture {
  name: ArchitectureName;
  /** What the kernel puts into seccomp_data.arch. x32 shares x86-64's and is told apart by a bit of the number. */
  auditToken: number;
  /** Arguments are 64 bits wide. Of narrow ones only the low word counts: the kernel drops the rest, so a filter must not look at it. */
  wide: boolean;
  syscalls: ReadonlyMap<string, number>;
}

export const X32_BIT = 0x40000000;

const TOKENS = { x86_64: 0xc000003e, x86: 0x40000003, x32: 0xc000003e, aarch64: 0xc00000b7, arm: 0x40000028 } as const;

/** SCMP_ARCH_* of other kinds of machine: valid in a profile, of no effect here. */
const FOREIGN =
  'MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X RISCV64 PARISC PARISC64 LOONGARCH64 M68K SH SHEB'
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`);

/** What a profile may name. */
export const SECCOMP_ARCHITECTURES: readonly string[] = [
  ...Object.keys(TOKENS).map((name) => `SCMP_ARCH_${name.toUpperCase()}`),
  'SCMP_ARCH_NATIVE',
  ...FOREIGN,
];

/** Tables are parsed when they are first asked for. */
export class Architectures {
  readonly #parsed = new Map<ArchitectureName, Architecture>();

  get(name: ArchitectureName): Architecture {
    let found = this.#parsed.get(name);
    if (found === undefined) {
      found = { name, auditToken: TOKENS[name], wide: name === 'x86_64' || name === 'aarch64', syscalls: tableOf(name) };
      this.#parsed.set(name, found);
    }
    return found;
  }
}

/** The host's own one, then what the profile adds, as libseccomp does; the names are the profile's. */
export function architecturesOf(names: readonly string[]): ArchitectureName[] {
  const native: ArchitectureName = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const found = new Set<ArchitectureName>([native]);
  for (const name of names) {
    const short = name.replace(/^SCMP_ARCH_/, '').toLowerCase();
    if (name.startsWith('SCMP_ARCH_') && short in TOKENS) {
      const architecture = short as ArchitectureName;
      if (family(architecture) === family(native)) found.add(architecture);
    } else if (!SECCOMP_ARCHITECTURES.includes(name)) {
      throw new EngineError('InvalidArgument', `string ${name} is not a valid arch for seccomp`, { layer: 'runtime' });
    }
  }
  return [...found];
}

function family(architecture: ArchitectureName): 'x86' | 'arm' {
  return architecture === 'aarch64' || architecture === 'arm' ? 'arm' : 'x86';
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
