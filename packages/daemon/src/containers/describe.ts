// A container as `inspect` and `ps` show it.
import type { ContainerInspect, ContainerSummary, MountPoint, NetworkSettings, Port } from '@berth/api/container';
import type { PortMap } from '@berth/api/host-config';
import type { EndpointSettings } from '@berth/api/network';
import type { EndpointRecord, PublishedPort } from '@berth/network/driver';
import { findNetwork } from '../networks/find-network.ts';
import { directorySize } from '../state/disk.ts';
import type { Container, ContainerMount } from './container.ts';
import type { ContainerContext } from './context.ts';
import { UNSET } from './host-config-unset.ts';
import { layersOf } from './rootfs.ts';
import { networkFiles } from './spec/make-spec.ts';
import { MASKED_PATHS, READONLY_PATHS } from './spec/security.ts';
import { statusText } from './status-text.ts';

export function inspectContainer(context: ContainerContext, container: Container, options: { size: boolean }): ContainerInspect {
  const { record } = container;
  const files = networkFiles(context, container);
  const { hostConfig } = record;
  return {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: [...record.args],
    State: container.describeState(),
    Image: record.imageId,
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    LogPath: record.logPath,
    Name: `/${record.name}`,
    RestartCount: record.state.restartCount,
    Driver: context.config.snapshotter === 'overlayfs' ? 'overlay2' : context.config.snapshotter,
    Platform: record.platform,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: container.running && container.execs.size > 0 ? [...container.execs.keys()] : null,
    HostConfig: {
      ...UNSET,
      ...hostConfig,
      MaskedPaths: hostConfig.MaskedPaths ?? [...MASKED_PATHS],
      ReadonlyPaths: hostConfig.ReadonlyPaths ?? [...READONLY_PATHS],
    },
    GraphDriver: graphDriver(container),
    ...(options.size ? sizes(container) : {}),
    Mounts: record.mounts.map(mountPoint),
    Config: record.config,
    NetworkSettings: networkSettings(context, container),
  };
}

export function summarizeContainer(context: ContainerContext, container: Container, options: { size: boolean }): ContainerSummary {
  const { record } = container;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: record.config.Image ?? '',
    ImageID: record.imageId,
    Command: [record.path, ...record.args].join(' '),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: portList(container),
    ...(options.size ? listedSizes(container) : {}),
    Labels: { ...record.config.Labels },
    State: record.state.phase,
    Status: statusText(container),
    HostConfig: {
      NetworkMode: record.hostConfig.NetworkMode ?? '',
      ...(record.hostConfig.Annotations ? { Annotations: record.hostConfig.Annotations } : {}),
    },
    NetworkSettings: { Networks: endpointSettings(context, container) },
    Mounts: record.mounts.map(mountPoint),
  };
}

/** Without what only we know of a mount. */
function mountPoint(mount: ContainerMount): MountPoint {
  const { Type, Name, Source, Destination, Driver, Mode, RW, Propagation } = mount;
  return {
    Type,
    ...(Name === undefined ? {} : { Name }),
    Source,
    Destination,
    ...(Driver === undefined ? {} : { Driver }),
    Mode,
    RW,
    Propagation,
  };
}

function networkSettings(context: ContainerContext, container: Container): NetworkSettings {
  const { endpoints } = container.record;
  const bridge = endpoints.find((endpoint) => endpoint.networkName === 'bridge');
  const running = container.running;
  return {
    Bridge: '',
    SandboxID: running ? container.id : '',
    SandboxKey: running ? `/proc/${container.record.state.pid}/ns/net` : '',
    Ports: portMap(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.endpointId ?? '',
    Gateway: bridge?.ipv4?.gateway ?? '',
    GlobalIPv6Address: bridge?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: bridge?.ipv6?.prefixLength ?? 0,
    IPAddress: bridge?.ipv4?.address ?? '',
    IPPrefixLen: bridge?.ipv4?.prefixLength ?? 0,
    IPv6Gateway: bridge?.ipv6?.gateway ?? '',
    MacAddress: bridge?.macAddress ?? '',
    Networks: endpointSettings(context, container),
  };
}

function endpointSettings(context: ContainerContext, container: Container): Record<string, EndpointSettings> {
  const { record } = container;
  const entries = Object.entries(record.networks).map(([name, asked]): [string, EndpointSettings] => {
    const network = findNetwork(context.networks, name)?.record;
    const endpoint = record.endpoints.find((one) => one.networkId === network?.id);
    return [network?.name ?? name, endpointSetting(container, asked, network?.id ?? '', endpoint)];
  });
  return Object.fromEntries(entries);
}

function endpointSetting(
  container: Container,
  asked: EndpointSettings,
  networkId: string,
  endpoint: EndpointRecord | undefined,
): EndpointSettings {
  const named = endpoint !== undefined && !['bridge', 'host', 'none'].includes(endpoint.networkName);
  return {
    IPAMConfig: asked.IPAMConfig ?? null,
    Links: asked.Links ?? null,
    Aliases: asked.Aliases ?? null,
    MacAddress: endpoint?.macAddress ?? '',
    DriverOpts: asked.DriverOpts ?? null,
    GwPriority: asked.GwPriority ?? 0,
    NetworkID: networkId,
    EndpointID: endpoint?.endpointId ?? '',
    Gateway: endpoint?.ipv4?.gateway ?? '',
    IPAddress: endpoint?.ipv4?.address ?? '',
    IPPrefixLen: endpoint?.ipv4?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6?.gateway ?? '',
    GlobalIPv6Address: endpoint?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: endpoint?.ipv6?.prefixLength ?? 0,
    DNSNames: named ? [container.name, ...endpoint.aliases] : null,
  };
}

/** Exposed ports, with where they are published while the container runs. */
function portMap(container: Container): PortMap {
  if (!container.running) return {};
  const ports: PortMap = {};
  for (const port of Object.keys(container.record.config.ExposedPorts ?? {})) ports[port] = null;
  for (const port of publishedPorts(container)) {
    const key = `${port.containerPort}/${port.protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: port.hostIp, HostPort: String(port.hostPort) }];
  }
  return ports;
}

function publishedPorts(container: Container): PublishedPort[] {
  return container.record.endpoints.flatMap((endpoint) => endpoint.ports);
}

function portList(container: Container): Port[] {
  if (!container.running) return [];
  return Object.entries(portMap(container)).flatMap(([key, bindings]): Port[] => {
    const [number, protocol] = key.split('/');
    const base = { PrivatePort: Number(number), Type: (protocol ?? 'tcp') as Port['Type'] };
    return bindings === null
      ? [base]
      : bindings.map((binding) => ({ IP: binding.HostIp ?? '', ...base, PublicPort: Number(binding.HostPort) }));
  });
}

function graphDriver(container: Container): ContainerInspect['GraphDriver'] {
  if (!container.rootfs) return { Name: 'overlay2', Data: null };
  const { upper, work, lower } = layersOf(container.rootfs);
  if (lower.length === 0) return { Name: 'overlay2', Data: null };
  return { Name: 'overlay2', Data: { LowerDir: lower.join(':'), UpperDir: upper ?? '', WorkDir: work ?? '', MergedDir: '' } };
}

/** A list leaves zeros out. */
function listedSizes(container: Container): { SizeRw?: number; SizeRootFs?: number } {
  const { SizeRw, SizeRootFs } = sizes(container);
  return { ...(SizeRw > 0 ? { SizeRw } : {}), ...(SizeRootFs > 0 ? { SizeRootFs } : {}) };
}

function sizes(container: Container): { SizeRw: number; SizeRootFs: number } {
  if (!container.rootfs) return { SizeRw: 0, SizeRootFs: 0 };
  const { upper, lower } = layersOf(container.rootfs);
  const written = upper === undefined ? 0 : directorySize(upper);
  return { SizeRw: written, SizeRootFs: written + lower.reduce((sum, directory) => sum + directorySize(directory), 0) };
}
