// A bundle's limits as properties of a systemd unit (systemd.resource-control(5)). They are written to the cgroup's files as well: the
// properties keep systemd from undoing that when it is reloaded. What has no property stands in the files alone. Devices too: a unit
// without device properties gets no filter of systemd's, and ours stays. Pure functions.
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { bitMask, parseNumberList } from '../../number-list.ts';
import { cpuWeight, swapLimit } from '../convert.ts';
import type { UnitProperty } from './manager.ts';

/** "infinity". */
const UNLIMITED = 2n ** 64n - 1n;
const PERIOD = 100_000;
/** systemd counts quotas in hundredths of a CPU, in microseconds a second. */
const QUOTA_STEP = 10_000;

export function limitProperties(version: 1 | 2, resources: LinuxResources): UnitProperty[] {
  const { cpu = {}, memory = {}, pids } = resources;
  const properties: UnitProperty[] = [];
  const add = (name: string, value: bigint | undefined) => value !== undefined && properties.push([name, ['t', value]]);
  if (cpu.shares) {
    if (version === 2) add('CPUWeight', BigInt(cpuWeight(cpu.shares)));
    else add('CPUShares', BigInt(cpu.shares));
  }
  if (cpu.quota || cpu.period) {
    if (cpu.period) add('CPUQuotaPeriodUSec', BigInt(cpu.period));
    add('CPUQuotaPerSecUSec', quotaPerSecond(cpu.quota ?? 0, cpu.period || PERIOD));
  }
  if (version === 2) {
    for (const [name, list] of [
      ['AllowedCPUs', cpu.cpus],
      ['AllowedMemoryNodes', cpu.mems],
    ] as const)
      if (list) properties.push([name, ['ay', bitMask(parseNumberList(list, `invalid ${name}`))]]);
    if (memory.limit) add('MemoryMax', bytes(memory.limit));
    if (memory.reservation) add('MemoryLow', bytes(memory.reservation));
    const swap = swapLimit(memory.limit ?? 0, memory.swap ?? 0);
    if (swap !== undefined) add('MemorySwapMax', bytes(swap));
  } else if (memory.limit) add('MemoryLimit', bytes(memory.limit));
  // systemd takes no 0.
  if (pids?.limit !== undefined) add('TasksMax', pids.limit < 0 ? UNLIMITED : BigInt(Math.max(1, pids.limit)));
  return properties;
}

function quotaPerSecond(quota: number, period: number): bigint {
  if (quota <= 0) return UNLIMITED;
  return BigInt(Math.ceil((quota * 1_000_000) / period / QUOTA_STEP) * QUOTA_STEP);
}

function bytes(limit: number): bigint {
  return limit < 0 ? UNLIMITED : BigInt(limit);
}
