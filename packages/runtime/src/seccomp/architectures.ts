// The architectures that a profile may name (runtime-spec's list of SCMP_ARCH_*), and which of them count on this host.
import { EngineError } from '@berth/errdefs/engine-error';
import { ARCHITECTURES, type ArchitectureName, isExecutable, NATIVE } from '@berth/sys/architecture';

const KNOWN = new Map<string, ArchitectureName>(ARCHITECTURES.map((name) => [`SCMP_ARCH_${name.toUpperCase()}`, name]));

/** Other kinds of machine: valid in a profile, of no effect here. */
const FOREIGN =
  'MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X RISCV64 PARISC PARISC64 LOONGARCH64 M68K SH SHEB'
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`);

/** What a profile may name. */
export const SECCOMP_ARCHITECTURES: readonly string[] = [...KNOWN.keys(), 'SCMP_ARCH_NATIVE', ...FOREIGN];

/** The host's own one, then what the profile adds, as libseccomp does; the names are the profile's. */
export function architecturesOf(names: readonly string[]): ArchitectureName[] {
  const found = new Set<ArchitectureName>([NATIVE]);
  for (const name of names) {
    const known = KNOWN.get(name);
    if (known !== undefined && isExecutable(known)) found.add(known);
    else if (!SECCOMP_ARCHITECTURES.includes(name))
      throw new EngineError('InvalidArgument', `string ${name} is not a valid arch for seccomp`, { layer: 'runtime' });
  }
  return [...found];
}
