// Resource limits by name: getrlimit(2), the same numbers on x86-64 and arm64.
import type { Rlimit } from '@berth/oci/runtime-spec';
import { RLIM_INFINITY } from '@berth/sys/process';

export const RLIMITS: Record<string, number> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

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
    resolved.push({ name: 'RLIMIT_NOFILE', resource: 7, soft, hard: ownNofile.hard });
  }
  return resolved;
}

/** JSON numbers lose precision near 2^64: all of them mean "no limit", as does -1. */
function toKernel(value: number): bigint {
  return value < 0 || value >= 2 ** 63 ? RLIM_INFINITY : BigInt(Math.trunc(value));
}
