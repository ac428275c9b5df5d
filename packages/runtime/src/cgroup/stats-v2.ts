// The measurements of a cgroup v2 container, file by file.
//
// Called by stats of v2.ts. Facts: cgroup-v2.rst, accounting/psi.rst. Which files exist depends on the controllers.
import { readKeyed, readNumber, readOptional } from '@berth/sys/cgroup-file';
import type { CgroupStats, CpuStats, IoEntry, IoStats, MemoryStats, Pressure, PressureLine } from './cgroup.ts';
import { hugePageSizes } from './huge-pages.ts';
import { memoryEvents } from './limits-v2.ts';
import { pidsStats } from './stats-v1.ts';

const NS_PER_US = 1000;

export function statsV2(directory: string): CgroupStats {
  return {
    version: 2,
    cpu: cpuStats(directory),
    memory: memoryStats(directory),
    pids: pidsStats(directory),
    io: ioStats(directory),
    hugetlb: hugePages(directory),
  };
}

function cpuStats(directory: string): CpuStats | undefined {
  const stat = readKeyed(directory, 'cpu.stat');
  if (stat === undefined) return undefined;
  return {
    usageNs: (stat.usage_usec ?? 0) * NS_PER_US,
    userNs: (stat.user_usec ?? 0) * NS_PER_US,
    systemNs: (stat.system_usec ?? 0) * NS_PER_US,
    periods: stat.nr_periods ?? 0,
    throttledPeriods: stat.nr_throttled ?? 0,
    throttledNs: (stat.throttled_usec ?? 0) * NS_PER_US,
    pressure: pressure(directory, 'cpu.pressure'),
  };
}

function memoryStats(directory: string): MemoryStats | undefined {
  const usage = readNumber(directory, 'memory.current');
  if (usage === undefined) return undefined;
  const events = memoryEvents(directory);
  const swap = readNumber(directory, 'memory.swap.current');
  return {
    usage,
    maxUsage: readNumber(directory, 'memory.peak'),
    limit: readNumber(directory, 'memory.max') ?? Number.POSITIVE_INFINITY,
    failures: events.max,
    oomKills: events.oomKills,
    swap: swap === undefined ? undefined : swapStats(directory, swap),
    stat: readKeyed(directory, 'memory.stat') ?? {},
    pressure: pressure(directory, 'memory.pressure'),
  };
}

function swapStats(directory: string, usage: number): MemoryStats['swap'] {
  return {
    usage,
    limit: readNumber(directory, 'memory.swap.max') ?? Number.POSITIVE_INFINITY,
    maxUsage: readNumber(directory, 'memory.swap.peak'),
    failures: readKeyed(directory, 'memory.swap.events')?.max ?? 0,
  };
}

/** io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. */
const IO_FIELDS: Record<string, readonly [kind: 'bytes' | 'operations', op: string]> = {
  rbytes: ['bytes', 'Read'],
  wbytes: ['bytes', 'Write'],
  dbytes: ['bytes', 'Discard'],
  rios: ['operations', 'Read'],
  wios: ['operations', 'Write'],
  dios: ['operations', 'Discard'],
};

function ioStats(directory: string): IoStats | undefined {
  const text = readOptional(directory, 'io.stat');
  if (text === undefined) return undefined;
  const stats: { bytes: IoEntry[]; operations: IoEntry[] } = { bytes: [], operations: [] };
  for (const line of text.split('\n')) {
    const [device = '', ...fields] = line.split(' ');
    const [major, minor] = device.split(':').map(Number);
    if (major === undefined || minor === undefined) continue;
    for (const field of fields) {
      const [name = '', value] = field.split('=');
      const target = IO_FIELDS[name];
      if (target) stats[target[0]].push({ major, minor, op: target[1], value: Number(value) });
    }
  }
  return { ...stats, pressure: pressure(directory, 'io.pressure') };
}

function hugePages(directory: string): CgroupStats['hugetlb'] {
  const found: NonNullable<CgroupStats['hugetlb']> = {};
  for (const size of hugePageSizes()) {
    const usage = readNumber(directory, `hugetlb.${size}.current`);
    if (usage === undefined) continue;
    found[size] = {
      usage,
      max: readNumber(directory, `hugetlb.${size}.max`) ?? 0,
      failures: readKeyed(directory, `hugetlb.${size}.events`)?.max ?? 0,
    };
  }
  return found;
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, then the same for `full`. */
function pressure(directory: string, file: string): Pressure | undefined {
  const text = readOptional(directory, file);
  if (!text) return undefined;
  const lines = new Map<string, PressureLine>();
  for (const line of text.split('\n')) {
    const [kind = '', ...fields] = line.split(' ');
    const values = Object.fromEntries(fields.map((field) => field.split('='))) as Record<keyof PressureLine, string>;
    lines.set(kind, {
      avg10: Number(values.avg10),
      avg60: Number(values.avg60),
      avg300: Number(values.avg300),
      total: Number(values.total),
    });
  }
  const some = lines.get('some');
  return some && { some, full: lines.get('full') };
}
