// HostConfig's limits as the runtime-spec states them. Also what `update` sends to a running container.
import { statSync } from 'node:fs';
import type { ThrottleDevice as RequestedThrottle, Resources, Ulimit } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources, Rlimit, ThrottleDevice } from '@berth/oci/runtime-spec';
import { majorMinor } from '@berth/sys/device-number';

/** Kernel and cgroup defaults stay where nothing was asked for. */
export function linuxResources(asked: Resources): LinuxResources {
  return {
    ...optional('memory', memory(asked)),
    ...optional('cpu', cpu(asked)),
    ...optional('blockIO', blockIO(asked)),
    ...(asked.PidsLimit ? { pids: { limit: asked.PidsLimit > 0 ? asked.PidsLimit : -1 } } : {}),
  };
}

function memory(asked: Resources): NonNullable<LinuxResources['memory']> {
  return {
    ...optional('limit', asked.Memory || undefined),
    ...optional('reservation', asked.MemoryReservation || undefined),
    ...optional('swap', asked.MemorySwap || undefined),
    // -1 is the API's "as the kernel has it".
    ...optional('swappiness', asked.MemorySwappiness === -1 ? undefined : (asked.MemorySwappiness ?? undefined)),
    ...optional('disableOOMKiller', asked.OomKillDisable || undefined),
  };
}

const PERIOD = 100_000;

function cpu(asked: Resources): NonNullable<LinuxResources['cpu']> {
  const share = asked.NanoCpus ? { period: PERIOD, quota: Math.floor((asked.NanoCpus * PERIOD) / 1e9) } : undefined;
  return {
    ...optional('shares', asked.CpuShares || undefined),
    ...optional('period', asked.CpuPeriod || share?.period),
    ...optional('quota', asked.CpuQuota || share?.quota),
    ...optional('realtimePeriod', asked.CpuRealtimePeriod || undefined),
    ...optional('realtimeRuntime', asked.CpuRealtimeRuntime || undefined),
    ...optional('cpus', asked.CpusetCpus || undefined),
    ...optional('mems', asked.CpusetMems || undefined),
  };
}

function blockIO(asked: Resources): NonNullable<LinuxResources['blockIO']> {
  return {
    ...optional('weight', asked.BlkioWeight || undefined),
    ...list(
      'weightDevice',
      (asked.BlkioWeightDevice ?? []).map(({ Path, Weight }) => ({ ...numberOf(Path), weight: Weight })),
    ),
    ...list('throttleReadBpsDevice', throttles(asked.BlkioDeviceReadBps)),
    ...list('throttleWriteBpsDevice', throttles(asked.BlkioDeviceWriteBps)),
    ...list('throttleReadIOPSDevice', throttles(asked.BlkioDeviceReadIOps)),
    ...list('throttleWriteIOPSDevice', throttles(asked.BlkioDeviceWriteIOps)),
  };
}

function throttles(asked: RequestedThrottle[] | null | undefined): ThrottleDevice[] {
  return (asked ?? []).map(({ Path, Rate }) => ({ ...numberOf(Path), rate: Rate }));
}

function numberOf(path: string): { major: number; minor: number } {
  try {
    return majorMinor(statSync(path).rdev);
  } catch {
    throw new EngineError('InvalidArgument', `no such device: "${path}"`, { layer: 'daemon' });
  }
}

/** The daemon's default ulimits, and over them the container's. */
export function rlimits(defaults: readonly Ulimit[], asked: readonly Ulimit[]): Rlimit[] {
  const byName = new Map<string, Ulimit>();
  for (const one of [...defaults, ...asked]) byName.set(one.Name.toUpperCase(), one);
  return [...byName].map(([name, one]) => ({ type: `RLIMIT_${name}`, soft: unlimited(one.Soft), hard: unlimited(one.Hard) }));
}

/** -1 is RLIM_INFINITY, which the specification writes as 2^64-1. */
function unlimited(value: number): number {
  return value < 0 ? 2 ** 64 : value;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  const empty = value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return empty ? {} : ({ [key]: value } as { [P in K]: V });
}

function list<K extends string, V>(key: K, values: V[]): { [P in K]?: V[] } {
  return values.length > 0 ? ({ [key]: values } as { [P in K]: V[] }) : {};
}
