// Measurements in the JSON of runc's `events`, which go-runc and others parse: numbers that the kernel does not offer are 0.
import type { CgroupStats, IoEntry } from './cgroup/cgroup.ts';

/** What uint64 readers take for "no limit". */
const NO_LIMIT = 2 ** 63 - 4096;

export function statsEvent(id: string, stats: CgroupStats) {
  const { cpu, memory, pids, io } = stats;
  const amount = (entry: { usage: number; limit: number; maxUsage?: number; failures: number } | undefined) => ({
    limit: finite(entry?.limit),
    usage: entry?.usage ?? 0,
    max: entry?.maxUsage ?? 0,
    failcnt: entry?.failures ?? 0,
  });
  const hugetlb = Object.entries(stats.hugetlb ?? {}).map(([size, { usage, max, failures }]) => [size, { usage, max, failcnt: failures }]);
  return {
    type: 'stats',
    id,
    data: {
      cpu: {
        usage: { total: cpu?.usageNs ?? 0, percpu: cpu?.perCpuNs, kernel: cpu?.systemNs ?? 0, user: cpu?.userNs ?? 0 },
        throttling: { periods: cpu?.periods ?? 0, throttledPeriods: cpu?.throttledPeriods ?? 0, throttledTime: cpu?.throttledNs ?? 0 },
        psi: cpu?.pressure,
      },
      memory: {
        cache: memory?.stat.cache ?? memory?.stat.file ?? 0,
        usage: amount(memory),
        swap: amount(memory?.swap),
        kernel: amount(memory?.kernel),
        raw: memory?.stat ?? {},
        psi: memory?.pressure,
      },
      pids: { current: pids?.current ?? 0, limit: pids && Number.isFinite(pids.limit) ? pids.limit : undefined },
      blkio: {
        ioServiceBytesRecursive: (io?.bytes ?? []).map(ioEntry),
        ioServicedRecursive: (io?.operations ?? []).map(ioEntry),
        psi: io?.pressure,
      },
      hugetlb: Object.fromEntries(hugetlb),
      intel_rdt: {},
      network_interfaces: null,
    },
  };
}

function ioEntry({ major, minor, op, value }: IoEntry) {
  return { major, minor, op, value };
}

function finite(value: number | undefined): number {
  return value === undefined ? 0 : Number.isFinite(value) ? value : NO_LIMIT;
}
