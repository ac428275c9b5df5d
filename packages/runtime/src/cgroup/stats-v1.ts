// The measurements of a cgroup v1 container, file by file.
//
// Called by stats of v1.ts. Facts: cgroup-v1/{cpuacct,memory,pids,blkio-controller,hugetlb}.rst.
import { readKeyed, readNumber, readOptional } from '@berth/sys/cgroup-file';
import type { CgroupStats, CpuStats, IoEntry, IoStats, MemoryStats } from './cgroup.ts';
import { hugePageSizes } from './huge-pages.ts';

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture that we run on. */
const NS_PER_TICK = 10_000_000;

export function statsV1(paths: Readonly<Record<string, string>>): CgroupStats {
  const of = <T>(controller: string, read: (directory: string) => T | undefined): T | undefined => {
    const directory = paths[controller];
    return directory === undefined ? undefined : read(directory);
  };
  const cpu = of('cpuacct', (directory) => cpuStats(directory, paths.cpu));
  return {
    version: 1,
    cpu,
    memory: of('memory', memoryStats),
    pids: of('pids', pidsStats),
    io: of('blkio', ioStats),
    hugetlb: of('hugetlb', hugePages),
  };
}

function cpuStats(accounting: string, bandwidth: string | undefined): CpuStats | undefined {
  const usageNs = readNumber(accounting, 'cpuacct.usage');
  if (usageNs === undefined) return undefined;
  const ticks = readKeyed(accounting, 'cpuacct.stat') ?? {};
  const throttling = (bandwidth === undefined ? undefined : readKeyed(bandwidth, 'cpu.stat')) ?? {};
  return {
    usageNs,
    userNs: (ticks.user ?? 0) * NS_PER_TICK,
    systemNs: (ticks.system ?? 0) * NS_PER_TICK,
    perCpuNs: (readOptional(accounting, 'cpuacct.usage_percpu') ?? '').split(' ').filter(Boolean).map(Number),
    periods: throttling.nr_periods ?? 0,
    throttledPeriods: throttling.nr_throttled ?? 0,
    throttledNs: throttling.throttled_time ?? 0,
  };
}

function memoryStats(directory: string): MemoryStats | undefined {
  const memory = counter(directory, 'memory');
  if (memory === undefined) return undefined;
  return {
    ...memory,
    swap: counter(directory, 'memory.memsw'),
    kernel: counter(directory, 'memory.kmem'),
    oomKills: readKeyed(directory, 'memory.oom_control')?.oom_kill ?? 0,
    stat: readKeyed(directory, 'memory.stat') ?? {},
  };
}

function counter(directory: string, prefix: string): { usage: number; maxUsage: number; limit: number; failures: number } | undefined {
  const usage = readNumber(directory, `${prefix}.usage_in_bytes`);
  if (usage === undefined) return undefined;
  return {
    usage,
    maxUsage: readNumber(directory, `${prefix}.max_usage_in_bytes`) ?? 0,
    limit: readNumber(directory, `${prefix}.limit_in_bytes`) ?? Number.POSITIVE_INFINITY,
    failures: readNumber(directory, `${prefix}.failcnt`) ?? 0,
  };
}

export function pidsStats(directory: string): CgroupStats['pids'] {
  const current = readNumber(directory, 'pids.current');
  return current === undefined ? undefined : { current, limit: readNumber(directory, 'pids.max') ?? Number.POSITIVE_INFINITY };
}

/** The scheduler's figures where there are any, otherwise those of throttling: both count the same requests. */
function ioStats(directory: string): IoStats {
  const first = (...files: string[]): IoEntry[] => {
    for (const file of files) {
      const entries = ioEntries(readOptional(directory, file) ?? '');
      if (entries.length > 0) return entries;
    }
    return [];
  };
  return {
    bytes: first('blkio.bfq.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes'),
    operations: first('blkio.bfq.io_serviced_recursive', 'blkio.throttle.io_serviced_recursive', 'blkio.throttle.io_serviced'),
  };
}

/** Lines of `8:0 Read 4096`; the last line, `Total 4096`, is of no device. */
function ioEntries(text: string): IoEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op = '', value]) => ({
    major: Number(major),
    minor: Number(minor),
    op,
    value: Number(value),
  }));
}

function hugePages(directory: string): CgroupStats['hugetlb'] {
  const sizes = hugePageSizes();
  return Object.fromEntries(
    sizes.map((size) => [
      size,
      {
        usage: readNumber(directory, `hugetlb.${size}.usage_in_bytes`) ?? 0,
        max: readNumber(directory, `hugetlb.${size}.max_usage_in_bytes`) ?? 0,
        failures: readNumber(directory, `hugetlb.${size}.failcnt`) ?? 0,
      },
    ]),
  );
}
