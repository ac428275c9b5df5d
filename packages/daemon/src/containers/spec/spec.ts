// From a container's record to the runtime-spec that the lifecycle service hands to the runtime (moby's daemon/oci_linux).
import { release } from 'node:os';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Process, Spec } from '@berth/oci/runtime-spec';
import type { Config } from '../../config/config.ts';
import type { ContainerRecord } from '../container.ts';
import { capabilitiesOf } from './capabilities.ts';
import { deviceSettings, refuseDeviceRequests } from './devices.ts';
import { findInit, INIT_DESTINATION, initMount, usesInit } from './init-program.ts';
import { containerMounts, type MountInputs } from './mounts.ts';
import { namespaces, type PidOf } from './namespaces.ts';
import { linuxResources, rlimits } from './resources.ts';
import { MASKED_PATHS, parseSecurityOptions, READONLY_PATHS, seccompOf } from './security.ts';
import type { ResolvedUser } from './users.ts';

export interface SpecInputs {
  readonly record: ContainerRecord;
  readonly config: Config;
  readonly user: ResolvedUser;
  readonly files: MountInputs['files'];
  readonly sharedShm: string | undefined;
  readonly pidOf: PidOf;
}

/** Runtimes of before the specification's 1.1 refuse anything newer (crun: "unknown version specified"), and all read this one. */
const WRITTEN_VERSION = '1.0.2';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function specOf(inputs: SpecInputs): Spec {
  const { record, config } = inputs;
  const { hostConfig } = record;
  const privileged = hostConfig.Privileged === true;
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? []);
  const capabilities = capabilitiesOf({ privileged, add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [] });
  refuseDeviceRequests(hostConfig.DeviceRequests ?? []);
  const devices = deviceSettings({ privileged, mappings: hostConfig.Devices ?? [], cgroupRules: hostConfig.DeviceCgroupRules ?? [] });
  const init = usesInit(hostConfig) ? findInit(config) : undefined;
  const unmasked = privileged || security.systemPathsUnconfined;
  const seccomp = privileged
    ? undefined
    : seccompOf(security.seccomp ?? config.seccompProfile, { capabilities, architecture: process.arch, kernel: release() });

  return {
    ociVersion: WRITTEN_VERSION,
    root: { path: 'rootfs', readonly: hostConfig.ReadonlyRootfs === true },
    ...(hostConfig.UTSMode === 'host' ? {} : { hostname: record.config.Hostname ?? '', domainname: record.config.Domainname ?? '' }),
    mounts: [
      ...containerMounts({
        hostConfig,
        shmSize: hostConfig.ShmSize || config.shmSize,
        mounts: record.mounts,
        files: inputs.files,
        sharedShm: inputs.sharedShm,
        cgroupWritable: privileged,
      }),
      ...(init ? [initMount(init)] : []),
    ],
    process: {
      terminal: record.config.Tty === true,
      ...consoleSize(hostConfig.ConsoleSize),
      user: userOf(inputs.user),
      args: [...(init ? [INIT_DESTINATION, '--'] : []), record.path, ...record.args],
      env: environment(record, inputs.user),
      cwd: record.config.WorkingDir || '/',
      capabilities: capabilitySets(capabilities, inputs.user.uid),
      rlimits: rlimits(config.ulimits, hostConfig.Ulimits ?? []),
      noNewPrivileges: security.noNewPrivileges,
      ...(hostConfig.OomScoreAdj ? { oomScoreAdj: hostConfig.OomScoreAdj } : { oomScoreAdj: 0 }),
    },
    annotations: { ...hostConfig.Annotations },
    linux: {
      namespaces: namespaces(hostConfig, config.cgroupnsMode, inputs.pidOf),
      cgroupsPath: cgroupsPath(hostConfig.CgroupParent || config.cgroupParent, record.id, config.cgroupDriver),
      resources: { ...linuxResources(hostConfig), devices: devices.rules },
      devices: devices.devices,
      sysctl: sysctls(record),
      ...(seccomp ? { seccomp } : {}),
      maskedPaths: unmasked ? [] : [...(hostConfig.MaskedPaths ?? MASKED_PATHS)],
      readonlyPaths: unmasked ? [] : [...(hostConfig.ReadonlyPaths ?? READONLY_PATHS)],
      rootfsPropagation: rootfsPropagation(record),
    },
  };
}

export function userOf(user: ResolvedUser): NonNullable<Process['user']> {
  return { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids };
}

/** Another user than root starts without effective capabilities; files and set-user-id programs can still bring those of the bounding set. */
export function capabilitySets(capabilities: string[], uid: number): NonNullable<Process['capabilities']> {
  const held = uid === 0 ? capabilities : [];
  return { bounding: capabilities, effective: held, permitted: held };
}

/** [height, width] of the API, when both are known. */
export function consoleSize(size: readonly number[] | null | undefined): { consoleSize?: { height: number; width: number } } {
  const [height, width] = size ?? [];
  return height && width ? { consoleSize: { height, width } } : {};
}

/** What is set for every container, then the image's and the user's, of which the last one counts. */
export function environment(record: ContainerRecord, user: Pick<ResolvedUser, 'home'>): string[] {
  const hostname = record.config.Hostname;
  const defaults = [DEFAULT_PATH, ...(hostname ? [`HOSTNAME=${hostname}`] : []), ...(record.config.Tty ? ['TERM=xterm'] : [])];
  const merged = mergeEnvironment(defaults, record.config.Env ?? []);
  return merged.some((pair) => pair.startsWith('HOME=')) ? merged : [...merged, `HOME=${user.home}`];
}

/** Later values replace earlier ones in place; a name without `=` removes it. */
export function mergeEnvironment(base: readonly string[], changes: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const pair of [...base, ...changes]) {
    const cut = pair.indexOf('=');
    if (cut < 0) merged.delete(pair);
    else merged.set(pair.slice(0, cut), pair);
  }
  return [...merged.values()];
}

/** As Docker does, unprivileged ports and pings are open to every user of a container with a network namespace of its own. */
function sysctls(record: ContainerRecord): Record<string, string> {
  const own = record.hostConfig.NetworkMode !== 'host' && !record.hostConfig.NetworkMode?.startsWith('container:');
  return {
    ...(own ? { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' } : {}),
    ...record.hostConfig.Sysctls,
  };
}

/** A bind mount that shares its mounts needs a root that lets them through. */
function rootfsPropagation(record: ContainerRecord): 'rprivate' | 'rslave' | 'rshared' {
  const wanted = record.mounts.map((mount) => mount.Propagation);
  if (wanted.some((one) => one.endsWith('shared'))) return 'rshared';
  return wanted.some((one) => one.endsWith('slave')) ? 'rslave' : 'rprivate';
}

/** Where the runtime makes the cgroup; for systemd's driver the unit `docker-<id>.scope` in a slice. */
function cgroupsPath(parent: string, id: string, driver: 'cgroupfs' | 'systemd'): string {
  if (driver === 'cgroupfs') return `${parent.replace(/\/$/, '')}/${id}`;
  if (!parent.endsWith('.slice'))
    throw new EngineError('InvalidArgument', 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"', {
      layer: 'daemon',
    });
  return `${parent}:docker:${id}`;
}
