// What each cgroup v1 controller does with a bundle's resources: one function a controller, in a table.
//
// Called by apply of v1.ts. Facts: cgroup-v1/*.rst; an absent or zero value leaves the kernel's alone, as in runc.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources, ThrottleDevice } from '@berth/oci/runtime-spec';
import { readControl, readOptional, writeControl } from '@berth/sys/cgroup-file';
import { applyMemory } from './memory-v1.ts';

type Apply = (directory: string, resources: LinuxResources) => void;

/** In the order in which they are applied. `devices` is not here: it is set once, at create. */
export const CONTROLLER_LIMITS: readonly (readonly [controller: string, wanted: (r: LinuxResources) => unknown, apply: Apply])[] = [
  ['cpuset', (r) => r.cpu?.cpus || r.cpu?.mems, applyCpuset],
  [
    'memory',
    (r) => r.memory && Object.values(r.memory).some((value) => value !== undefined && value !== 0 && value !== false),
    (d, r) => applyMemory(d, r.memory ?? {}),
  ],
  ['cpu', (r) => wantsCpu(r), applyCpu],
  ['pids', (r) => r.pids?.limit, (d, r) => writeControl(d, 'pids.max', (r.pids?.limit ?? 0) > 0 ? (r.pids?.limit ?? 0) : 'max')],
  ['blkio', (r) => wantsBlockIo(r), applyBlockIo],
  ['hugetlb', (r) => r.hugepageLimits?.length, applyHugePages],
  ['net_cls', (r) => r.network?.classID, (d, r) => writeControl(d, 'net_cls.classid', r.network?.classID ?? 0)],
  ['net_prio', (r) => r.network?.priorities?.length, applyNetPriorities],
  ['rdma', (r) => r.rdma && Object.keys(r.rdma).length > 0, applyRdma],
];

function applyCpuset(directory: string, { cpu }: LinuxResources): void {
  if (cpu?.cpus) writeControl(directory, 'cpuset.cpus', cpu.cpus);
  if (cpu?.mems) writeControl(directory, 'cpuset.mems', cpu.mems);
}

function wantsCpu({ cpu = {} }: LinuxResources): unknown {
  return (
    cpu.shares || cpu.quota || cpu.period || cpu.burst !== undefined || cpu.realtimePeriod || cpu.realtimeRuntime || cpu.idle !== undefined
  );
}

function applyCpu(directory: string, { cpu = {} }: LinuxResources): void {
  if (cpu.realtimePeriod) writeControl(directory, 'cpu.rt_period_us', cpu.realtimePeriod);
  if (cpu.realtimeRuntime) writeControl(directory, 'cpu.rt_runtime_us', cpu.realtimeRuntime);
  if (cpu.shares) {
    writeControl(directory, 'cpu.shares', cpu.shares);
    // The kernel clamps silently; a limit that is not in force must not look as if it were.
    const actual = Number(readControl(directory, 'cpu.shares'));
    if (cpu.shares > actual) throw invalid(`the maximum allowed cpu-shares is ${actual}`);
    if (cpu.shares < actual) throw invalid(`the minimum allowed cpu-shares is ${actual}`);
  }
  applyBandwidth(directory, cpu);
  if (cpu.idle !== undefined) writeControl(directory, 'cpu.idle', cpu.idle);
}

function applyBandwidth(directory: string, cpu: NonNullable<LinuxResources['cpu']>): void {
  const burst = cpu.burst === undefined ? undefined : () => writeControl(directory, 'cpu.cfs_burst_us', cpu.burst ?? 0);
  // burst ≤ quota at every moment: a burst that does not fit the old quota is tried again after the new one.
  let retryBurst = attempt(burst, Boolean(cpu.quota));
  // A shorter period may be refused while the old quota would exceed the parent's share; likewise again after the quota.
  const period = cpu.period ? () => writeControl(directory, 'cpu.cfs_period_us', cpu.period ?? 0) : undefined;
  const retryPeriod = attempt(period, Boolean(cpu.quota));
  if (cpu.quota) {
    writeControl(directory, 'cpu.cfs_quota_us', cpu.quota);
    if (retryPeriod) period?.();
    retryBurst = retryBurst && cpu.quota > 0;
    if (retryBurst) burst?.();
  }
}

/** True when it was refused with EINVAL and is to be tried again. */
function attempt(write: (() => void) | undefined, mayRetry: boolean): boolean {
  try {
    write?.();
    return false;
  } catch (error) {
    if (mayRetry && error instanceof EngineError && error.details.code === 'EINVAL') return true;
    throw error;
  }
}

const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device'],
] as const;

function wantsBlockIo({ blockIO = {} }: LinuxResources): unknown {
  return blockIO.weight || blockIO.leafWeight || blockIO.weightDevice?.length || THROTTLES.some(([key]) => blockIO[key]?.length);
}

function applyBlockIo(directory: string, { blockIO = {} }: LinuxResources): void {
  // The weight's file is the scheduler's: CFQ's is gone from current kernels, BFQ has its own.
  const weight = readOptional(directory, 'blkio.weight') === undefined ? 'blkio.bfq.weight' : 'blkio.weight';
  if (blockIO.weight) writeControl(directory, weight, blockIO.weight);
  if (blockIO.leafWeight) writeControl(directory, 'blkio.leaf_weight', blockIO.leafWeight);
  for (const device of blockIO.weightDevice ?? []) {
    if (device.weight) writeControl(directory, `${weight}_device`, `${device.major}:${device.minor} ${device.weight}`);
    if (device.leafWeight) writeControl(directory, 'blkio.leaf_weight_device', `${device.major}:${device.minor} ${device.leafWeight}`);
  }
  for (const [key, file] of THROTTLES) {
    for (const device of blockIO[key] ?? []) writeControl(directory, file, throttleText(device));
  }
}

function throttleText({ major, minor, rate }: ThrottleDevice): string {
  return `${major}:${minor} ${rate}`;
}

function applyHugePages(directory: string, { hugepageLimits = [] }: LinuxResources): void {
  for (const { pageSize, limit } of hugepageLimits) {
    writeControl(directory, `hugetlb.${pageSize}.limit_in_bytes`, limit);
    const reservation = `hugetlb.${pageSize}.rsvd.limit_in_bytes`;
    if (readOptional(directory, reservation) !== undefined) writeControl(directory, reservation, limit);
  }
}

function applyNetPriorities(directory: string, { network }: LinuxResources): void {
  for (const { name, priority } of network?.priorities ?? []) writeControl(directory, 'net_prio.ifpriomap', `${name} ${priority}`);
}

function applyRdma(directory: string, resources: LinuxResources): void {
  for (const line of rdmaLines(resources)) writeControl(directory, 'rdma.max', line);
}

/** `device hca_handle=n hca_object=n`: the same file in both generations. */
export function rdmaLines({ rdma = {} }: LinuxResources): string[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) =>
    [device, hcaHandles === undefined ? '' : `hca_handle=${hcaHandles}`, hcaObjects === undefined ? '' : `hca_object=${hcaObjects}`]
      .filter(Boolean)
      .join(' '),
  );
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime' });
}
