// Resource limits as a bundle names them (config.md "POSIX process"), as the kernel's numbers and values.
import type { Rlimit } from '@berth/oci/runtime-spec';
import { RLIM_INFINITY, RLIMIT } from '@berth/sys/process';

export const RLIMITS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(RLIMIT).map(([name, number]) => [`RLIMIT_${name}`, number]),
);

/** What the kernel gives the first process; Node raises its own soft limit to the hard one at start, and children must not see that. */
const DEFAULT_SOFT_NOFILE = 1024n;

export interface ResolvedRlimit {
  name: string;
  resource: number;
  soft: bigint;
  hard: bigint;
}

/** The limits to set on a new process; RLIMIT_NOFILE is always among them. */
export function resolveRlimits(rlimits: readonly Rlimit[], ownNofile: { soft: bigint; hard: bigint }): ResolvedRlimit[] {
  const resolved = rlimits.map(({ type, soft, hard }) => ({
    name: type,
    resource: RLIMITS[type] ?? -1,
    soft: toKernel(soft),
    hard: toKernel(hard),
  }));
  if (!rlimits.some(({ type }) => type === 'RLIMIT_NOFILE')) {
    const soft = ownNofile.hard < DEFAULT_SOFT_NOFILE ? ownNofile.hard : DEFAULT_SOFT_NOFILE;
    resolved.push({ name: 'RLIMIT_NOFILE', resource: RLIMIT.NOFILE, soft, hard: ownNofile.hard });
  }
  return resolved;
}

/** JSON numbers lose precision near 2^64: all of them mean "no limit", as does -1. */
function toKernel(value: number): bigint {
  return value < 0 || value >= 2 ** 63 ? RLIM_INFINITY : BigInt(Math.trunc(value));
}
