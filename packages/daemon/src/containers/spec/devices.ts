// Devices of a container: the ones every container has are the runtime's; here are --device, --device-cgroup-rule and what a
// privileged container sees: all of the host's /dev.
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceMapping, DeviceRequest } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Device, DeviceRule } from '@berth/oci/runtime-spec';
import { majorMinor } from '@berth/sys/device-number';

export interface DeviceSettings {
  devices: Device[];
  rules: DeviceRule[];
}

/** What Docker allows every container: its own devices, and to make nodes that it cannot open. */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3],
      [1, 5],
      [1, 7],
      [1, 8],
      [1, 9],
      [5, 0],
      [5, 2],
    ] as const
  ).map(([major, minor]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  // Terminals of devpts.
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

export function deviceSettings(options: {
  privileged: boolean;
  mappings: readonly DeviceMapping[];
  cgroupRules: readonly string[];
}): DeviceSettings {
  if (options.privileged) {
    return { devices: hostDevices('/dev'), rules: [{ allow: true, access: 'rwm' }] };
  }
  const settings: DeviceSettings = { devices: [], rules: [...DEFAULT_RULES] };
  for (const mapping of options.mappings) addMapping(settings, mapping);
  for (const rule of options.cgroupRules) settings.rules.push(parseRule(rule));
  return settings;
}

/** Requests for devices by what they can do (`--gpus`) are for drivers, and there is none. */
export function refuseDeviceRequests(requests: readonly DeviceRequest[]): void {
  const [request] = requests;
  if (!request) return;
  const capabilities = (request.Capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ');
  throw invalid(`could not select device driver ${JSON.stringify(request.Driver ?? '')} with capabilities: [${capabilities}]`);
}

function addMapping(settings: DeviceSettings, mapping: DeviceMapping): void {
  const target = mapping.PathInContainer || mapping.PathOnHost;
  const access = mapping.CgroupPermissions || 'rwm';
  if (!/^[rwm]+$/.test(access)) throw invalid(`invalid device mode: ${access}`);
  let stats: Stats;
  try {
    stats = statSync(mapping.PathOnHost);
  } catch {
    throw invalid(`error gathering device information while adding custom device "${mapping.PathOnHost}": no such file or directory`);
  }
  if (stats.isDirectory()) {
    const below = hostDevices(mapping.PathOnHost);
    if (below.length === 0) throw notDevice(mapping.PathOnHost);
    for (const device of below) push(settings, { ...device, path: join(target, device.path.slice(mapping.PathOnHost.length)) }, access);
    return;
  }
  const device = deviceOf(target, stats);
  if (!device) throw notDevice(mapping.PathOnHost);
  push(settings, device, access);
}

function push(settings: DeviceSettings, device: Device, access: string): void {
  settings.devices.push(device);
  settings.rules.push({ allow: true, type: device.type as 'c' | 'b', major: device.major ?? 0, minor: device.minor ?? 0, access });
}

function deviceOf(path: string, stats: Stats): Device | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  const type = stats.isBlockDevice() ? 'b' : 'c';
  return { type, path, ...majorMinor(stats.rdev), fileMode: stats.mode & 0o777, uid: stats.uid, gid: stats.gid };
}

/** Directories that hold no devices of the machine, and nodes the runtime makes itself. */
const SKIPPED = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console']);

function hostDevices(directory: string): Device[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry): Device[] => {
    if (SKIPPED.has(entry.name) || entry.isSymbolicLink()) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return hostDevices(path);
    try {
      const device = deviceOf(path, statSync(path));
      return device ? [device] : [];
    } catch {
      // Devices come and go.
      return [];
    }
  });
}

/** `c 42:* rmw` */
function parseRule(text: string): DeviceRule {
  const match = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text);
  if (!match) throw invalid(`invalid device cgroup rule format: '${text}'`);
  const number = (part: string | undefined) => (part === '*' ? -1 : Number(part));
  return { allow: true, type: match[1] as 'a' | 'c' | 'b', major: number(match[2]), minor: number(match[3]), access: match[4] as string };
}

function notDevice(path: string): EngineError {
  return invalid(`error gathering device information while adding custom device "${path}": not a device node`);
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
