// What a container may be asked to be: checks of the create and update bodies that need nothing but the body. Wordings are moby's
// where clients show or match them (daemon/container.go, daemon_unix.go, runconfig).
import type { ContainerConfig, HostConfig, Resources, RestartPolicy } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { isIpcSysctl } from '@berth/oci/sysctls';
import { checkLogConfig } from './logging/log-options.ts';
import { signalNumber } from './signals.ts';
import { normalizeCapability } from './spec/capabilities.ts';
import { containerOfMode } from './spec/namespaces.ts';
import { parseSecurityOptions } from './spec/security.ts';

const SMALLEST_MEMORY = 6 << 20;
const HOST = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;

export function checkContainerConfig(config: ContainerConfig): void {
  if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  for (const pair of config.Env ?? []) {
    if (pair === '' || pair.startsWith('=')) throw invalid(`invalid environment variable: ${pair}`);
    if (pair.includes('\0')) throw invalid('invalid environment variable: it contains a NUL byte');
  }
  if (config.StopSignal) signalNumber(config.StopSignal);
  if (config.Hostname && (config.Hostname.length > 63 || !HOST.test(config.Hostname)))
    throw invalid(`invalid hostname format: ${config.Hostname}`);
  for (const port of Object.keys(config.ExposedPorts ?? {})) checkPort(port);
  const health = config.Healthcheck;
  for (const [name, value] of Object.entries({ Interval: health?.Interval, Timeout: health?.Timeout, StartPeriod: health?.StartPeriod })) {
    if (value && value < 1_000_000) throw invalid(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((health?.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

export function checkHostConfig(host: HostConfig): void {
  checkResources(host);
  checkRestartPolicy(host.RestartPolicy, host.AutoRemove === true);
  for (const name of host.CapAdd ?? []) normalizeCapability(name, 'CapAdd');
  for (const name of host.CapDrop ?? []) normalizeCapability(name, 'CapDrop');
  parseSecurityOptions(host.SecurityOpt ?? []);
  for (const mode of [host.NetworkMode, host.PidMode, host.IpcMode]) containerOfMode(mode);
  if (host.PidMode && host.PidMode !== 'host' && !host.PidMode.startsWith('container:')) throw invalid(`invalid PID mode: ${host.PidMode}`);
  if (host.UTSMode && host.UTSMode !== 'host') throw invalid(`invalid UTS mode: ${host.UTSMode}`);
  if (host.IpcMode && !['host', 'private', 'shareable', 'none'].includes(host.IpcMode) && !host.IpcMode.startsWith('container:')) {
    throw invalid(`invalid IPC mode: ${host.IpcMode}`);
  }
  if (host.CgroupnsMode && !['host', 'private'].includes(host.CgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${host.CgroupnsMode}`);
  if (host.UsernsMode && host.UsernsMode !== 'host') throw invalid(`invalid user namespace mode: ${host.UsernsMode}`);
  checkLogConfig(host.LogConfig);
  if ((host.ShmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
  if ((host.OomScoreAdj ?? 0) < -1000 || (host.OomScoreAdj ?? 0) > 1000) {
    throw invalid(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  for (const name of Object.keys(host.Sysctls ?? {})) checkSysctl(name, host);
  for (const port of Object.keys(host.PortBindings ?? {})) checkPort(port);
  for (const bindings of Object.values(host.PortBindings ?? {})) {
    for (const binding of bindings ?? []) {
      if (binding.HostPort && !/^\d{1,5}(-\d{1,5})?$/.test(binding.HostPort))
        throw invalid(`invalid port specification: "${binding.HostPort}"`);
    }
  }
  for (const entry of host.ExtraHosts ?? []) {
    if (!/^[^:=]+[:=].+$/.test(entry)) throw invalid(`invalid extra host "${entry}": it must be name:address`);
  }
}

export function checkResources(asked: Resources): void {
  const memory = asked.Memory ?? 0;
  const swap = asked.MemorySwap ?? 0;
  if (memory !== 0 && memory < SMALLEST_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  const swappiness = asked.MemorySwappiness ?? -1;
  if (swappiness < -1 || swappiness > 100) throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if ((asked.MemoryReservation ?? 0) !== 0 && (asked.MemoryReservation ?? 0) < SMALLEST_MEMORY) {
    throw invalid('Minimum memory reservation allowed is 6MB');
  }
  if (memory > 0 && (asked.MemoryReservation ?? 0) > memory) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (asked.NanoCpus && (asked.CpuPeriod || asked.CpuQuota)) {
    throw invalid('Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set.');
  }
  const most = cpuCount();
  if ((asked.NanoCpus ?? 0) < 0 || (asked.NanoCpus ?? 0) > most * 1e9) {
    throw invalid(`range of CPUs is from 0.01 to ${most}.00, as there are only ${most} CPUs available`);
  }
  if (asked.CpuPeriod && (asked.CpuPeriod < 1000 || asked.CpuPeriod > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (asked.CpuQuota && asked.CpuQuota > 0 && asked.CpuQuota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (asked.BlkioWeight && (asked.BlkioWeight < 10 || asked.BlkioWeight > 1000)) throw invalid('Range of blkio weight is from 10 to 1000');
  for (const set of [asked.CpusetCpus, asked.CpusetMems]) {
    if (set && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(set)) throw invalid(`Invalid value ${set} for cpuset`);
  }
}

export function checkRestartPolicy(policy: RestartPolicy | undefined, autoRemove: boolean): void {
  const name = policy?.Name || 'no';
  if (!['no', 'always', 'unless-stopped', 'on-failure'].includes(name)) {
    throw invalid(`invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  const count = policy?.MaximumRetryCount ?? 0;
  if (count < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
  if (count > 0 && name !== 'on-failure') throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (autoRemove && name !== 'no') throw invalid("can't create 'AutoRemove' container with restart policy");
}

function checkSysctl(name: string, host: HostConfig): void {
  if (name.startsWith('net.')) {
    if (host.NetworkMode === 'host') throw invalid(`sysctl '${name}' is not allowed in the host network namespace`);
    return;
  }
  if (isIpcSysctl(name)) {
    if (host.IpcMode === 'host') throw invalid(`sysctl '${name}' is not allowed in the host ipc namespace`);
    return;
  }
  throw invalid(`sysctl '${name}' is not allowed`);
}

function checkPort(port: string): void {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(port);
  if (!match || Number(match[1]) > 65_535 || Number(match[2] ?? 0) > 65_535) throw invalid(`invalid port specification: "${port}"`);
}

let cpus = 0;
function cpuCount(): number {
  cpus ||= navigator.hardwareConcurrency;
  return cpus;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
