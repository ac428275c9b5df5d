// Flags of `run` and `create` → the body of POST /containers/create. What needs the daemon's knowledge (images, volumes, networks) is
// left to the daemon; what needs the user's (files, directories, environment) is settled here.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ContainerCreateRequest } from '@berth/api/container';
import type {
  ContainerConfig,
  DeviceMapping,
  DeviceRequest,
  HealthConfig,
  HostConfig,
  RestartPolicy,
  ThrottleDevice,
  Ulimit,
  WeightDevice,
} from '@berth/api/host-config';
import type { EndpointSettings, NetworkingConfig } from '@berth/api/network';
import { parseDuration, parseSize } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';
import { UsageError } from '../exit.ts';
import { type Arguments, invalid } from '../parse.ts';
import { environmentOf, fileErrorText, labelsOf, pair } from './environment.ts';
import { CREATE_FLAGS } from './flags.ts';
import { absoluteVolume, parseMount } from './mounts.ts';
import { parsePorts } from './ports.ts';

export interface Attachment {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** What the command line asks to be attached to; nothing when it runs in the background. */
export function attachmentOf(args: Arguments, detached: boolean): Attachment {
  const streams = args.list('attach').map((stream) => stream.toLowerCase());
  for (const stream of streams) {
    if (!['stdin', 'stdout', 'stderr'].includes(stream)) {
      throw invalid('attach', CREATE_FLAGS.attach, stream, 'valid streams are STDIN, STDOUT and STDERR');
    }
  }
  if (detached) return { stdin: false, stdout: false, stderr: false };
  if (streams.length === 0) return { stdin: args.boolean('interactive'), stdout: true, stderr: true };
  return { stdin: streams.includes('stdin'), stdout: streams.includes('stdout'), stderr: streams.includes('stderr') };
}

export function containerRequest(args: Arguments, attachment: Attachment, environment: NodeJS.ProcessEnv): ContainerCreateRequest {
  const [image, ...command] = args.positional as [string, ...string[]];
  const ports = parsePorts(args.list('publish'), args.list('expose'));
  const config: ContainerConfig = {
    Hostname: args.string('hostname') ?? '',
    Domainname: args.string('domainname') ?? '',
    User: args.string('user') ?? '',
    AttachStdin: attachment.stdin,
    AttachStdout: attachment.stdout,
    AttachStderr: attachment.stderr,
    Tty: args.boolean('tty'),
    OpenStdin: args.boolean('interactive') || attachment.stdin,
    StdinOnce: attachment.stdin,
    Env: environmentOf(args.list('env'), args.list('env-file'), environment),
    Cmd: command.length > 0 ? command : null,
    Image: image,
    Volumes: Object.fromEntries(
      args
        .list('volume')
        .filter((volume) => !volume.includes(':'))
        .map((path) => [path, {}]),
    ),
    WorkingDir: args.string('workdir') ?? '',
    Labels: labelsOf(args.list('label'), args.list('label-file')),
    ExposedPorts: ports.exposed,
  };
  const entrypoint = args.string('entrypoint');
  // An empty --entrypoint resets the image's.
  if (entrypoint !== undefined) config.Entrypoint = [entrypoint];
  if (args.given('stop-signal')) config.StopSignal = args.string('stop-signal') ?? '';
  if (args.given('stop-timeout')) config.StopTimeout = args.number('stop-timeout') ?? null;
  const health = healthOf(args);
  if (health) config.Healthcheck = health;
  const networking = networkingOf(args);
  return { ...config, HostConfig: hostConfig(args, ports.bindings, networking.mode), NetworkingConfig: networking.config };
}

function hostConfig(args: Arguments, bindings: HostConfig['PortBindings'], networkMode: string): HostConfig {
  const volumes = args.list('volume').filter((volume) => volume.includes(':'));
  const host: HostConfig = {
    Binds: volumes.length > 0 ? volumes.map(absoluteVolume) : null,
    ContainerIDFile: args.string('cidfile') ?? '',
    LogConfig: { Type: args.string('log-driver') ?? '', Config: Object.fromEntries(args.list('log-opt').map((text) => pair(text))) },
    NetworkMode: networkMode,
    PortBindings: bindings ?? {},
    RestartPolicy: restartPolicy(args.string('restart')),
    AutoRemove: args.boolean('rm'),
    VolumeDriver: args.string('volume-driver') ?? '',
    VolumesFrom: args.given('volumes-from') ? args.list('volumes-from') : null,
    CapAdd: args.given('cap-add') ? args.list('cap-add') : null,
    CapDrop: args.given('cap-drop') ? args.list('cap-drop') : null,
    CgroupnsMode: mode(args, 'cgroupns', /^(host|private)?$/) as HostConfig['CgroupnsMode'],
    Dns: args.list('dns').map(dnsServer),
    DnsOptions: args.list('dns-option'),
    DnsSearch: args.list('dns-search'),
    ExtraHosts: args.given('add-host') ? args.list('add-host').map(extraHost) : null,
    GroupAdd: args.given('group-add') ? args.list('group-add') : null,
    IpcMode: args.string('ipc') ?? '',
    Links: args.given('link') ? args.list('link') : null,
    OomScoreAdj: args.number('oom-score-adj') ?? 0,
    PidMode: mode(args, 'pid', /^(host|container:.+)?$/),
    Privileged: args.boolean('privileged'),
    PublishAllPorts: args.boolean('publish-all'),
    ReadonlyRootfs: args.boolean('read-only'),
    SecurityOpt: args.given('security-opt') ? args.list('security-opt').map(securityOption) : null,
    UTSMode: mode(args, 'uts', /^(host)?$/),
    UsernsMode: mode(args, 'userns', /^(host)?$/),
    ShmSize: size(args, 'shm-size') ?? 0,
    Runtime: args.string('runtime') ?? '',
    Isolation: args.string('isolation') ?? '',
    Cgroup: '',
    ...resourcesOf(args),
  };
  const pairs = (flag: string) => Object.fromEntries(args.list(flag).map((text) => pair(text)));
  if (args.given('mount')) host.Mounts = args.list('mount').map(parseMount);
  if (args.given('annotation')) host.Annotations = pairs('annotation');
  if (args.given('storage-opt')) host.StorageOpt = pairs('storage-opt');
  if (args.given('sysctl')) host.Sysctls = pairs('sysctl');
  if (args.given('tmpfs')) host.Tmpfs = Object.fromEntries(args.list('tmpfs').map((text) => pair(text, ':')));
  if (args.given('init')) host.Init = args.boolean('init');
  if (process.stdout.isTTY && args.boolean('tty')) host.ConsoleSize = [process.stdout.rows, process.stdout.columns];
  if (host.AutoRemove && host.RestartPolicy?.Name !== 'no') throw wrong('conflicting options: cannot specify both --restart and --rm');
  return host;
}

/** The limits; `update` takes the same. */
export function resourcesOf(args: Arguments): HostConfig {
  const limits: HostConfig = {
    CpuShares: args.number('cpu-shares') ?? 0,
    Memory: size(args, 'memory') ?? 0,
    NanoCpus: nanoCpus(args),
    CgroupParent: args.string('cgroup-parent') ?? '',
    BlkioWeight: args.number('blkio-weight') ?? 0,
    BlkioWeightDevice: args.list('blkio-weight-device').map((text): WeightDevice => ({ Path: pathOf(text), Weight: Number(rateOf(text)) })),
    BlkioDeviceReadBps: args.list('device-read-bps').map((text) => throttle(text, 'device-read-bps')),
    BlkioDeviceWriteBps: args.list('device-write-bps').map((text) => throttle(text, 'device-write-bps')),
    BlkioDeviceReadIOps: args.list('device-read-iops').map((text) => throttle(text, 'device-read-iops')),
    BlkioDeviceWriteIOps: args.list('device-write-iops').map((text) => throttle(text, 'device-write-iops')),
    CpuPeriod: args.number('cpu-period') ?? 0,
    CpuQuota: args.number('cpu-quota') ?? 0,
    CpuCount: args.number('cpu-count') ?? 0,
    CpuPercent: args.number('cpu-percent') ?? 0,
    CpuRealtimePeriod: args.number('cpu-rt-period') ?? 0,
    CpuRealtimeRuntime: args.number('cpu-rt-runtime') ?? 0,
    CpusetCpus: args.string('cpuset-cpus') ?? '',
    CpusetMems: args.string('cpuset-mems') ?? '',
    Devices: args.list('device').map(device),
    DeviceCgroupRules: args.given('device-cgroup-rule') ? args.list('device-cgroup-rule') : null,
    DeviceRequests: args.given('gpus') ? [gpuRequest(args.string('gpus') ?? '')] : null,
    IOMaximumBandwidth: size(args, 'io-maxbandwidth') ?? 0,
    IOMaximumIOps: args.number('io-maxiops') ?? 0,
    MemoryReservation: size(args, 'memory-reservation') ?? 0,
    MemorySwap: args.string('memory-swap') === '-1' ? -1 : (size(args, 'memory-swap') ?? 0),
    // -1: the kernel's own.
    MemorySwappiness: args.number('memory-swappiness') ?? -1,
    OomKillDisable: args.boolean('oom-kill-disable'),
    PidsLimit: args.number('pids-limit') ?? 0,
    Ulimits: args.list('ulimit').map(ulimit),
  };
  return limits;
}

const MODES = { cgroupns: 'CGROUP', pid: 'PID', userns: 'USER', uts: 'UTS' };

/** The value of a flag that names a namespace. */
function mode(args: Arguments, flag: keyof typeof MODES, valid: RegExp): string {
  const value = args.string(flag) ?? '';
  if (!valid.test(value)) throw wrong(`--${flag}: invalid ${MODES[flag]} mode`);
  return value;
}

function dnsServer(text: string): string {
  if (!isIP(text)) throw invalid('dns', CREATE_FLAGS.dns, text, `IP address is not correctly formatted: ${text}`);
  return text;
}

/** `name:address` or `name=address`; the address is the daemon's to judge, for it may be host-gateway. */
function extraHost(text: string): string {
  if (!/^[^=:]+[=:]./.test(text))
    throw invalid('add-host', CREATE_FLAGS['add-host'], text, `bad format for add-host: ${JSON.stringify(text)}`);
  return text.replace(/^([^=:]+)=/, '$1:');
}

function size(args: Arguments, name: string): number | undefined {
  const text = args.string(name);
  if (text === undefined) return undefined;
  const bytes = parseSize(text);
  if (bytes === undefined) throw invalid(name, CREATE_FLAGS[name], text, `invalid size: '${text}'`);
  return bytes;
}

function nanoCpus(args: Arguments): number {
  const text = args.string('cpus');
  if (text === undefined) return 0;
  if (!/^\d*\.?\d+$/.test(text)) throw invalid('cpus', CREATE_FLAGS.cpus, text, `failed to parse ${text} as a rational number`);
  return Math.round(Number(text) * 1e9);
}

const pathOf = (text: string) => text.slice(0, text.lastIndexOf(':'));
const rateOf = (text: string) => text.slice(text.lastIndexOf(':') + 1);

function throttle(text: string, name: string): ThrottleDevice {
  const rate = parseSize(rateOf(text));
  if (!text.startsWith('/dev/') || rate === undefined || !text.includes(':')) {
    throw invalid(name, CREATE_FLAGS[name], text, `bad format for path: ${text}. The correct format is <device-path>:<number>[<unit>]`);
  }
  return { Path: pathOf(text), Rate: rate };
}

function device(text: string): DeviceMapping {
  const [host, second, third] = text.split(':') as [string, string?, string?];
  const isMode = (value: string | undefined) => value !== undefined && /^[rwm]+$/.test(value);
  if (second === undefined) return { PathOnHost: host, PathInContainer: host, CgroupPermissions: 'rwm' };
  if (third === undefined && isMode(second)) return { PathOnHost: host, PathInContainer: host, CgroupPermissions: second };
  if (third !== undefined && !isMode(third)) throw wrong(`bad mode specified: ${third}`);
  return { PathOnHost: host, PathInContainer: second, CgroupPermissions: third ?? 'rwm' };
}

/** `all`, a number, or `count=…,device=…,driver=…,capabilities=…`. */
function gpuRequest(text: string): DeviceRequest {
  const refuse = (why: string) => invalid('gpus', CREATE_FLAGS.gpus, text, why);
  const request: Required<DeviceRequest> = { Driver: '', Count: 0, DeviceIDs: [], Capabilities: [['gpu']], Options: {} };
  for (const field of text.match(/(?:"[^"]*"|[^,])+/g) ?? []) {
    const [key, value] = field.includes('=') ? pair(field.replaceAll('"', '')) : ['count', field];
    if (key === 'driver') request.Driver = value;
    else if (key === 'device') request.DeviceIDs = value.split(',');
    else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']];
    else if (key === 'options') request.Options = Object.fromEntries(value.split(',').map((text) => pair(text)));
    else if (key !== 'count') throw refuse(`unexpected key '${key}' in '${field}'`);
    else if (value === 'all') request.Count = -1;
    else if (/^\d+$/.test(value)) request.Count = Number(value);
    else
      throw refuse(`invalid count (${value}): value must be either "all" or an integer: strconv.Atoi: parsing "${value}": invalid syntax`);
  }
  // One device where neither a number nor names were given.
  if (request.Count === 0 && request.DeviceIDs?.length === 0) request.Count = 1;
  return request;
}

const ULIMITS = new Set('core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '));

function ulimit(text: string): Ulimit {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (!match) throw invalid('ulimit', CREATE_FLAGS.ulimit, text, `invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(match[1] as string)) throw invalid('ulimit', CREATE_FLAGS.ulimit, text, `invalid ulimit type: ${match[1]}`);
  const soft = Number(match[2]);
  const hard = match[3] === undefined ? soft : Number(match[3]);
  if (hard !== -1 && (soft > hard || soft === -1)) {
    throw invalid('ulimit', CREATE_FLAGS.ulimit, text, `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: match[1] as string, Soft: soft, Hard: hard };
}

export function restartPolicy(text: string | undefined): RestartPolicy {
  const [name = 'no', retries] = (text || 'no').split(':');
  if (retries !== undefined && !/^\d+$/.test(retries)) throw wrong('invalid restart policy format: maximum retry count must be an integer');
  return { Name: name as NonNullable<RestartPolicy['Name']>, MaximumRetryCount: Number(retries ?? 0) };
}

/** `seccomp=FILE` travels as the file's contents. */
function securityOption(text: string): string {
  const [name, file] = pair(text.replace(/^(seccomp|apparmor|label):/, '$1='));
  if (!/[=:]/.test(text) && text !== 'no-new-privileges') throw wrong(`Invalid --security-opt: ${JSON.stringify(text)}`);
  if (name !== 'seccomp' || file === 'unconfined' || file === 'builtin') return text;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(file, 'utf8')))}`;
  } catch (error) {
    throw wrong(`opening seccomp profile (${file}) failed: ${fileErrorText(error, file)}`, error);
  }
}

function healthOf(args: Arguments): HealthConfig | undefined {
  if (args.boolean('no-healthcheck')) {
    const other = ['health-cmd', 'health-interval', 'health-timeout', 'health-retries', 'health-start-period'].find((name) =>
      args.given(name),
    );
    if (other) throw wrong('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  const health: HealthConfig = {};
  const duration = (name: string): number | undefined => {
    const text = args.string(name);
    if (text === undefined) return undefined;
    const value = parseDuration(text);
    if (value === undefined) throw invalid(name, CREATE_FLAGS[name], text, `time: invalid duration "${text}"`);
    return value;
  };
  if (args.given('health-cmd')) health.Test = ['CMD-SHELL', args.string('health-cmd') ?? ''];
  const fields = {
    Interval: 'health-interval',
    Timeout: 'health-timeout',
    StartPeriod: 'health-start-period',
    StartInterval: 'health-start-interval',
  } as const;
  for (const [field, name] of Object.entries(fields) as ['Interval', string][]) {
    const value = duration(name);
    if (value !== undefined) health[field] = value;
  }
  if (args.given('health-retries')) health.Retries = args.number('health-retries') ?? 0;
  return Object.keys(health).length > 0 ? health : undefined;
}

/** `--network NAME` or `--network name=NAME,alias=a,ip=…`; the first is the container's mode. */
function networkingOf(args: Arguments): { mode: string; config: NetworkingConfig } {
  const wanted = [...args.list('network'), ...args.list('net')];
  const endpoints: Record<string, EndpointSettings> = {};
  for (const text of wanted) {
    const options = text.includes('=') ? Object.fromEntries(text.split(',').map((text) => pair(text))) : { name: text };
    const name = options.name ?? '';
    if (!name) throw new UsageError(`invalid argument "${text}" for "--network" flag: network name is required`, 125);
    endpoints[name] = {
      ...(options.alias ? { Aliases: [options.alias] } : {}),
      ...(options['mac-address'] ? { MacAddress: options['mac-address'] } : {}),
      ...(options.ip || options.ip6
        ? { IPAMConfig: { ...(options.ip ? { IPv4Address: options.ip } : {}), ...(options.ip6 ? { IPv6Address: options.ip6 } : {}) } }
        : {}),
    };
  }
  const mode = Object.keys(endpoints)[0] ?? 'default';
  const first: EndpointSettings = endpoints[mode] ?? {};
  if (args.given('network-alias')) first.Aliases = [...(first.Aliases ?? []), ...args.list('network-alias')];
  if (args.given('link')) first.Links = args.list('link');
  if (args.given('mac-address')) {
    const address = args.string('mac-address') ?? '';
    if (!/^([0-9a-f]{2}([:-][0-9a-f]{2}){5}|[0-9a-f]{4}(\.[0-9a-f]{4}){2})$/i.test(address))
      throw wrong(`${address} is not a valid mac address`);
    first.MacAddress = address;
  }
  if (args.given('ip') || args.given('ip6') || args.given('link-local-ip')) {
    first.IPAMConfig = {
      ...first.IPAMConfig,
      ...(args.given('ip') ? { IPv4Address: args.string('ip') ?? '' } : {}),
      ...(args.given('ip6') ? { IPv6Address: args.string('ip6') ?? '' } : {}),
      ...(args.given('link-local-ip') ? { LinkLocalIPs: args.list('link-local-ip') } : {}),
    };
  }
  if (Object.keys(first).length > 0 || wanted.length > 0) endpoints[mode] = first;
  return { mode, config: { EndpointsConfig: endpoints } };
}

function wrong(message: string, cause?: unknown): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli', cause });
}
