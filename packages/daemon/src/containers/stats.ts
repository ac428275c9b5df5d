// `GET /containers/{id}/stats`: samples of a container's resources, from the shim's cgroup measurements (both cgroup generations)
// and its network namespace. A sample carries the one before, which clients take the CPU percentage from.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ZERO_TIME } from '@berth/api/container';
import type { BlkioEntry, ContainerStats, CpuStats, NetworkStats } from '@berth/api/stats';
import { isKind } from '@berth/errdefs/engine-error';
import { holds, unpack } from '@berth/rpc/any';
import { Metrics as MetricsV1 } from '@berth/rpc/gen/containerd/cgroups/v1/metrics';
import { Metrics as MetricsV2 } from '@berth/rpc/gen/containerd/cgroups/v2/metrics';
import { nowText } from '../state/clock.ts';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';

const INTERVAL = 1_000;
const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

type Measured = Pick<ContainerStats, 'cpu_stats' | 'memory_stats' | 'blkio_stats' | 'pids_stats'>;

/** One sample a second until the client leaves or the container is removed; a stopped container gives empty samples. */
export async function* streamStats(context: ContainerContext, container: Container, signal: AbortSignal): AsyncGenerator<ContainerStats> {
  let before: ContainerStats | undefined;
  while (!signal.aborted && context.store.find(container.id)) {
    const sample = await takeSample(context, container, before);
    yield sample;
    before = sample;
    await delay(INTERVAL, undefined, { signal }).catch(() => {});
  }
}

/** A single sample: at once, or after a second one so that its CPU percentage can be told. */
export async function sampleStats(context: ContainerContext, container: Container, oneShot: boolean): Promise<ContainerStats> {
  const first = await takeSample(context, container, undefined);
  if (oneShot || !container.running) return first;
  await delay(INTERVAL);
  return takeSample(context, container, first);
}

async function takeSample(context: ContainerContext, container: Container, before: ContainerStats | undefined): Promise<ContainerStats> {
  const measured = container.running ? await measure(context, container) : undefined;
  return {
    name: `/${container.name}`,
    id: container.id,
    read: measured ? nowText() : ZERO_TIME,
    preread: before?.read ?? ZERO_TIME,
    num_procs: 0,
    storage_stats: {},
    precpu_stats: before?.cpu_stats ?? NO_CPU,
    cpu_stats: measured?.cpu_stats ?? NO_CPU,
    memory_stats: measured?.memory_stats ?? {},
    blkio_stats: measured?.blkio_stats ?? blkio(null, null, null),
    pids_stats: measured?.pids_stats ?? {},
    ...(measured && container.record.hostConfig.NetworkMode !== 'host' ? { networks: networkStats(container.record.state.pid) } : {}),
  };
}

async function measure(context: ContainerContext, container: Container): Promise<Measured | undefined> {
  try {
    const { metrics } = await context.lifecycle.tasks.metrics({ filters: [`id==${container.id}`] });
    const data = metrics[0]?.data;
    if (holds(data, MetricsV2)) return fromV2(unpack(MetricsV2, data));
    if (holds(data, MetricsV1)) return fromV1(unpack(MetricsV1, data));
    return undefined;
  } catch (error) {
    // It ended between the look at its state and the measurement.
    if (isKind(error, 'NotFound') || isKind(error, 'FailedPrecondition')) return undefined;
    throw error;
  }
}

function fromV1(metrics: MetricsV1): Measured {
  const { cpu, memory, pids, blkio: io } = metrics;
  const percpu = (cpu?.usage?.perCpu ?? []).map(Number);
  return {
    cpu_stats: {
      cpu_usage: {
        total_usage: Number(cpu?.usage?.total ?? 0),
        percpu_usage: percpu,
        usage_in_kernelmode: Number(cpu?.usage?.kernel ?? 0),
        usage_in_usermode: Number(cpu?.usage?.user ?? 0),
      },
      ...hostCpu(),
      throttling_data: {
        periods: Number(cpu?.throttling?.periods ?? 0),
        throttled_periods: Number(cpu?.throttling?.throttledPeriods ?? 0),
        throttled_time: Number(cpu?.throttling?.throttledTime ?? 0),
      },
    },
    memory_stats: {
      usage: Number(memory?.usage?.usage ?? 0),
      max_usage: Number(memory?.usage?.max ?? 0),
      ...(memory?.usage?.failcnt ? { failcnt: Number(memory.usage.failcnt) } : {}),
      limit: memoryLimit(memory?.usage?.limit),
      stats: memory ? memoryWords(memory, ['usage', 'swap', 'kernel', 'kernelTcp']) : {},
    },
    blkio_stats: blkio((io?.ioServiceBytesRecursive ?? []).map(entry), (io?.ioServicedRecursive ?? []).map(entry), []),
    pids_stats: pidsStats(pids),
  };
}

function fromV2(metrics: MetricsV2): Measured {
  const { cpu, memory, pids, io } = metrics;
  const usec = (value: bigint | undefined) => Number(value ?? 0) * 1000;
  const usages = io?.usage ?? [];
  const pairs = (read: 'rbytes' | 'rios', write: 'wbytes' | 'wios') =>
    usages.flatMap((one): BlkioEntry[] => [
      { major: Number(one.major), minor: Number(one.minor), op: 'read', value: Number(one[read]) },
      { major: Number(one.major), minor: Number(one.minor), op: 'write', value: Number(one[write]) },
    ]);
  return {
    cpu_stats: {
      cpu_usage: { total_usage: usec(cpu?.usageUsec), usage_in_kernelmode: usec(cpu?.systemUsec), usage_in_usermode: usec(cpu?.userUsec) },
      ...hostCpu(),
      throttling_data: {
        periods: Number(cpu?.nrPeriods ?? 0),
        throttled_periods: Number(cpu?.nrThrottled ?? 0),
        throttled_time: usec(cpu?.throttledUsec),
      },
    },
    memory_stats: {
      usage: Number(memory?.usage ?? 0),
      limit: memoryLimit(memory?.usageLimit),
      stats: memory ? memoryWords(memory, ['usage', 'usageLimit', 'maxUsage', 'swapUsage', 'swapLimit', 'swapMaxUsage']) : {},
    },
    blkio_stats: blkio(pairs('rbytes', 'wbytes'), pairs('rios', 'wios'), null),
    pids_stats: pidsStats(pids),
  };
}

function pidsStats(pids: { current: bigint; limit: bigint } | undefined): { current?: number; limit?: number } {
  if (!pids) return {};
  const limit = Number(pids.limit);
  return { current: Number(pids.current), ...(limit > 0 && limit < Number.MAX_SAFE_INTEGER ? { limit } : {}) };
}

function entry(one: { op: string; major: bigint; minor: bigint; value: bigint }): BlkioEntry {
  return { major: Number(one.major), minor: Number(one.minor), op: one.op.toLowerCase(), value: Number(one.value) };
}

/** `rest`: what only cgroup v1 has lists of, and Berth's shim does not measure. */
function blkio(bytes: BlkioEntry[] | null, operations: BlkioEntry[] | null, rest: [] | null): ContainerStats['blkio_stats'] {
  return {
    io_service_bytes_recursive: bytes,
    io_serviced_recursive: operations,
    io_queue_recursive: rest,
    io_service_time_recursive: rest,
    io_wait_time_recursive: rest,
    io_merged_recursive: rest,
    io_time_recursive: rest,
    sectors_recursive: rest,
  };
}

/** memory.stat's words: the message's fields, but for those that the kernel tells elsewhere. */
function memoryWords(memory: object, elsewhere: readonly string[]): Record<string, number> {
  const words = Object.entries(memory).filter(([name, value]) => typeof value === 'bigint' && !elsewhere.includes(name));
  return Object.fromEntries(words.map(([name, value]) => [memoryWord(name), Number(value)]));
}

/** `totalInactiveFile` is total_inactive_file, `pgMajFault` pgmajfault. */
function memoryWord(name: string): string {
  if (name === 'hierarchicalSwapLimit') return 'hierarchical_memsw_limit';
  return name
    .replace(/pg(pg|maj)?(in|out|fault)$/i, (word) => `_${word.toLowerCase()}`)
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replace(/^_/, '');
}

/** No limit is shown as the memory of the machine. */
function memoryLimit(limit: bigint | undefined): number {
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
  return limit === undefined || limit === 0n || limit > BigInt(total) ? total : Number(limit);
}

/** The whole machine's CPU time, in nanoseconds: what the container's share is measured against. */
function hostCpu(): { system_cpu_usage: number; online_cpus: number } {
  const text = readFileSync('/proc/stat', 'utf8');
  const ticks = (text.split('\n', 1)[0] ?? '').split(/\s+/).slice(1, 9).map(Number);
  return { system_cpu_usage: ticks.reduce((sum, one) => sum + one, 0) * 1e7, online_cpus: (text.match(/^cpu\d+/gm) ?? []).length };
}

function networkStats(pid: number): Record<string, NetworkStats> {
  try {
    const lines = readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').slice(2);
    return Object.fromEntries(
      lines.flatMap((line) => {
        const [name, rest] = line.split(':');
        if (!rest || !name || name.trim() === 'lo') return [];
        // proc_pid_net(5): bytes, packets, errors, drops and four more received, then the same sent.
        const fields = rest.trim().split(/\s+/).map(Number);
        const [rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0] = fields;
        const [tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0] = fields.slice(8);
        const stats: NetworkStats = { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped };
        return [[name.trim(), stats] as const];
      }),
    );
  } catch {
    return {};
  }
}
