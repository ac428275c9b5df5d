// A container's measurements in the messages that containerd's clients know: io.containerd.cgroups.v1 or v2 Metrics.
import { pack } from '@berth/rpc/any';
import * as v1 from '@berth/rpc/gen/containerd/cgroups/v1/metrics';
import * as v2 from '@berth/rpc/gen/containerd/cgroups/v2/metrics';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Init } from '@berth/rpc/wire/message';
import type { CgroupStats, IoEntry, MemoryStats, Pressure } from '@berth/runtime/cgroup/cgroup';

/** What the kernel's "no limit" becomes: the largest uint64, as in containerd. */
const UNLIMITED = 0xffff_ffff_ffff_ffffn;
/** As a file of cgroup v1 has it: the largest int64 in whole pages. */
const UNLIMITED_V1 = 0x7fff_ffff_ffff_f000n;

export function packStats(stats: CgroupStats): Any {
  return stats.version === 1 ? pack(v1.Metrics, metricsV1(stats)) : pack(v2.Metrics, metricsV2(stats));
}

function metricsV1({ cpu, memory, pids, io, hugetlb }: CgroupStats): Init<v1.Metrics> {
  return {
    cpu: cpu && {
      usage: { total: whole(cpu.usageNs), kernel: whole(cpu.systemNs), user: whole(cpu.userNs), perCpu: cpu.perCpuNs?.map(whole) },
      throttling: { periods: whole(cpu.periods), throttledPeriods: whole(cpu.throttledPeriods), throttledTime: whole(cpu.throttledNs) },
    },
    memory: memory && {
      ...named(memory.stat, nameV1),
      usage: entry(memory),
      swap: memory.swap && entry(memory.swap),
      kernel: memory.kernel && entry(memory.kernel),
    },
    memoryOomControl: memory && { oomKill: whole(memory.oomKills) },
    pids: pids && { current: whole(pids.current), limit: pidLimit(pids.limit) },
    blkio: io && { ioServiceBytesRecursive: io.bytes.map(blockEntry), ioServicedRecursive: io.operations.map(blockEntry) },
    hugetlb: Object.entries(hugetlb ?? {}).map(([pagesize, each]) => ({
      pagesize,
      usage: whole(each.usage),
      max: whole(each.max),
      failcnt: whole(each.failures),
    })),
  };
}

function metricsV2({ cpu, memory, pids, io, hugetlb }: CgroupStats): Init<v2.Metrics> {
  return {
    cpu: cpu && {
      usageUsec: whole(cpu.usageNs / 1000),
      userUsec: whole(cpu.userNs / 1000),
      systemUsec: whole(cpu.systemNs / 1000),
      nrPeriods: whole(cpu.periods),
      nrThrottled: whole(cpu.throttledPeriods),
      throttledUsec: whole(cpu.throttledNs / 1000),
      psi: pressure(cpu.pressure),
    },
    memory: memory && {
      ...named(memory.stat, snakeToCamel),
      usage: whole(memory.usage),
      usageLimit: whole(memory.limit),
      maxUsage: whole(memory.maxUsage ?? 0),
      swapUsage: whole(memory.swap?.usage ?? 0),
      swapLimit: whole(memory.swap?.limit ?? 0),
      psi: pressure(memory.pressure),
    },
    memoryEvents: memory && { max: whole(memory.failures), oomKill: whole(memory.oomKills) },
    pids: pids && { current: whole(pids.current), limit: pidLimit(pids.limit) },
    io: io && { usage: devices(io.bytes, io.operations), psi: pressure(io.pressure) },
    hugetlb: Object.entries(hugetlb ?? {}).map(([pagesize, each]) => ({
      pagesize,
      current: whole(each.usage),
      max: whole(each.max),
      failcnt: whole(each.failures),
    })),
  };
}

function whole(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.max(0, Math.round(value))) : UNLIMITED;
}

/** No limit of processes is told as 0. */
function pidLimit(limit: number): bigint {
  return Number.isFinite(limit) ? whole(limit) : 0n;
}

function entry(counter: NonNullable<MemoryStats['swap']>): Init<v1.MemoryEntry> {
  const { usage, limit, maxUsage = 0, failures } = counter;
  return {
    usage: whole(usage),
    limit: Number.isFinite(limit) ? whole(limit) : UNLIMITED_V1,
    max: whole(maxUsage),
    failcnt: whole(failures),
  };
}

/** memory.stat's words that are not their field's name in snake case. */
const V1_WORDS: Record<string, string> = {
  pgpgin: 'pgPgIn',
  pgpgout: 'pgPgOut',
  pgfault: 'pgFault',
  pgmajfault: 'pgMajFault',
  hierarchical_memsw_limit: 'hierarchicalSwapLimit',
};

function nameV1(name: string): string {
  const word = V1_WORDS[name.replace(/^total_/, '')];
  if (!word) return snakeToCamel(name);
  return name.startsWith('total_') ? `total${word[0]?.toUpperCase()}${word.slice(1)}` : word;
}

function snakeToCamel(name: string): string {
  return name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

/** Fields of a message by memory.stat's names; encoding leaves out those that the message does not have. */
function named(stat: Record<string, number>, name: (word: string) => string): Record<string, bigint> {
  return Object.fromEntries(Object.entries(stat).map(([word, value]) => [name(word), whole(value)]));
}

function blockEntry({ op, major, minor, value }: IoEntry): Init<v1.BlkIOEntry> {
  return { op, major: whole(major), minor: whole(minor), value: whole(value) };
}

/** One entry a device, of the figures that v1 tells one by one. */
function devices(bytes: IoEntry[], operations: IoEntry[]): Init<v2.IOEntry>[] {
  const byDevice = new Map<string, { major: bigint; minor: bigint; rbytes: bigint; wbytes: bigint; rios: bigint; wios: bigint }>();
  const of = ({ major, minor }: IoEntry) => {
    const key = `${major}:${minor}`;
    const known = byDevice.get(key) ?? { major: whole(major), minor: whole(minor), rbytes: 0n, wbytes: 0n, rios: 0n, wios: 0n };
    byDevice.set(key, known);
    return known;
  };
  for (const each of bytes) {
    if (each.op === 'Read') of(each).rbytes = whole(each.value);
    else if (each.op === 'Write') of(each).wbytes = whole(each.value);
  }
  for (const each of operations) {
    if (each.op === 'Read') of(each).rios = whole(each.value);
    else if (each.op === 'Write') of(each).wios = whole(each.value);
  }
  return [...byDevice.values()];
}

function pressure(pressure: Pressure | undefined): Init<v2.PSIStats> | undefined {
  const line = (each: Pressure['some'] | undefined) =>
    each && { avg10: each.avg10, avg60: each.avg60, avg300: each.avg300, total: whole(each.total) };
  return pressure && { some: line(pressure.some), full: line(pressure.full) };
}
