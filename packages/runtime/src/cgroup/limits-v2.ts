// What a bundle's resources become in the files of cgroup v2.
//
// Called by apply of v2.ts. Facts: cgroup-v2.rst; an absent or zero value leaves the kernel's alone, as in runc.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { readKeyed, readNumber, readOptional, writeControl } from '@berth/sys/cgroup-file';
import { cpuWeight, ioWeight, limitText, swapLimit } from './convert.ts';
import { rdmaLines } from './limits-v1.ts';

export function applyLimits(directory: string, resources: LinuxResources): void {
  applyCpu(directory, resources);
  applyMemory(directory, resources);
  const pids = resources.pids?.limit;
  if (pids) writeControl(directory, 'pids.max', limitText(pids));
  applyIo(directory, resources);
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    writeControl(directory, `hugetlb.${pageSize}.max`, limit);
    if (readOptional(directory, `hugetlb.${pageSize}.rsvd.max`) !== undefined)
      writeControl(directory, `hugetlb.${pageSize}.rsvd.max`, limit);
  }
  for (const line of rdmaLines(resources)) writeControl(directory, 'rdma.max', line);
  // Last: a file named here is meant to win over what was converted.
  applyUnified(directory, resources);
}

function applyCpu(directory: string, { cpu = {} }: LinuxResources): void {
  if (cpu.idle !== undefined) writeControl(directory, 'cpu.idle', cpu.idle);
  // An idle cgroup has no weight; the kernel refuses one.
  if (cpu.shares && cpu.idle !== 1) writeControl(directory, 'cpu.weight', cpuWeight(cpu.shares));
  if (cpu.quota || cpu.period) {
    const burst = cpu.burst !== undefined && (readNumber(directory, 'cpu.max.burst') ?? 0) > cpu.burst;
    // burst ≤ quota at every moment: shrink it before, grow it after.
    if (burst) writeControl(directory, 'cpu.max.burst', cpu.burst ?? 0);
    // A quota that is not given stays: cpu.max is "quota period" or quota alone.
    const quota = cpu.quota ? limitText(cpu.quota) : (readOptional(directory, 'cpu.max')?.split(' ')[0] ?? 'max');
    writeControl(directory, 'cpu.max', cpu.period ? `${quota} ${cpu.period}` : quota);
  }
  if (cpu.burst !== undefined) writeControl(directory, 'cpu.max.burst', cpu.burst);
  if (cpu.cpus) writeControl(directory, 'cpuset.cpus', cpu.cpus);
  if (cpu.mems) writeControl(directory, 'cpuset.mems', cpu.mems);
}

function applyMemory(directory: string, { memory = {} }: LinuxResources): void {
  const { limit = 0 } = memory;
  const swap = swapLimit(limit, memory.swap ?? 0);
  // A kernel without swap accounting has no such file: "no swap limit" is then what is asked for anyway.
  if (swap !== undefined && !(swap <= 0 && readOptional(directory, 'memory.swap.max') === undefined)) {
    writeControl(directory, 'memory.swap.max', limitText(swap));
  }
  if (limit !== 0) {
    if (memory.checkBeforeUpdate && limit > 0) checkUsage(directory, limit);
    writeControl(directory, 'memory.max', limitText(limit));
  }
  if (memory.reservation) writeControl(directory, 'memory.low', limitText(memory.reservation));
}

function checkUsage(directory: string, limit: number): void {
  const usage = readNumber(directory, 'memory.current') ?? 0;
  if (limit < usage) throw new EngineError('InvalidArgument', `rejecting memory limit ${limit} < usage ${usage}`, { layer: 'runtime' });
}

const THROTTLES = [
  ['throttleReadBpsDevice', 'rbps'],
  ['throttleWriteBpsDevice', 'wbps'],
  ['throttleReadIOPSDevice', 'riops'],
  ['throttleWriteIOPSDevice', 'wiops'],
] as const;

function applyIo(directory: string, { blockIO = {} }: LinuxResources): void {
  // BFQ understands v1's weights as they are; io.weight has a scale of its own.
  const bfq = blockIO.weight || blockIO.weightDevice?.length ? readOptional(directory, 'io.bfq.weight') !== undefined : false;
  if (blockIO.weight) {
    if (bfq) writeControl(directory, 'io.bfq.weight', blockIO.weight);
    else writeControl(directory, 'io.weight', ioWeight(blockIO.weight));
  }
  for (const { major, minor, weight } of blockIO.weightDevice ?? []) {
    if (!weight) continue;
    if (bfq) writeControl(directory, 'io.bfq.weight', `${major}:${minor} ${weight}`);
    else writeControl(directory, 'io.weight', `${major}:${minor} ${ioWeight(weight)}`);
  }
  for (const [key, name] of THROTTLES) {
    for (const { major, minor, rate } of blockIO[key] ?? []) writeControl(directory, 'io.max', `${major}:${minor} ${name}=${rate}`);
  }
}

function applyUnified(directory: string, { unified = {} }: LinuxResources): void {
  for (const [file, value] of Object.entries(unified)) {
    if (file.includes('/')) {
      throw new EngineError('InvalidArgument', `unified resource "${file}" must be a file name (no slashes)`, { layer: 'runtime' });
    }
    if (readOptional(directory, file) === undefined && !file.startsWith('cgroup.')) {
      const controller = file.split('.')[0] ?? '';
      const available = readOptional(directory, 'cgroup.controllers')?.split(' ') ?? [];
      if (!available.includes(controller)) {
        throw new EngineError('InvalidArgument', `unified resource "${file}" can't be set: controller "${controller}" not available`, {
          layer: 'runtime',
        });
      }
    }
    // Several lines are several settings: the kernel takes one a write.
    for (const line of value.split('\n')) writeControl(directory, file, line);
  }
}

/** memory.events: how often the limit was hit, and how often something was killed for it. */
export function memoryEvents(directory: string): { max: number; oomKills: number } {
  const events = readKeyed(directory, 'memory.events') ?? {};
  return { max: events.max ?? 0, oomKills: events.oom_kill ?? 0 };
}
