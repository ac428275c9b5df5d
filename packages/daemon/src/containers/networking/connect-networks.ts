// A container's endpoints and the three files that follow from them: allocated before its task exists, attached once it has a
// network namespace, released after its end.
import { readFileSync, writeFileSync } from 'node:fs';
import type { EndpointSettings } from '@berth/api/network';
import type { Endpoint, PortProtocol, PortRequest } from '@berth/network/driver';
import { containerHosts, hostnameFile, sharedHosts } from '@berth/network/hosts-file';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { networkFiles } from '../spec/make-spec.ts';
import { containerOfMode } from '../spec/namespaces.ts';
import { linkedHosts } from './links.ts';
import { writeResolvConf } from './name-service.ts';

/** Endpoints on all of its networks, or none and an error. */
export function allocateEndpoints(context: ContainerContext, container: Container): Endpoint[] {
  const { record } = container;
  const endpoints: Endpoint[] = [];
  try {
    for (const [name, settings] of Object.entries(record.networks)) {
      const network = context.networks.get(name);
      const stale = network.endpoints.get(container.id);
      stale?.release();
      endpoints.push(network.allocate(endpointRequest(container, settings, network.record.driver === 'bridge' && endpoints.length === 0)));
    }
    return endpoints;
  } catch (error) {
    releaseEndpoints(context, endpoints);
    throw error;
  }
}

export function endpointRequest(container: Container, settings: EndpointSettings, publishes: boolean) {
  const { config, hostConfig } = container.record;
  return {
    containerId: container.id,
    containerName: container.name,
    ipv4Address: settings.IPAMConfig?.IPv4Address || undefined,
    ipv6Address: settings.IPAMConfig?.IPv6Address || undefined,
    macAddress: settings.MacAddress || undefined,
    aliases: [...(settings.Aliases ?? []), container.id.slice(0, 12)],
    ports: publishes
      ? portRequests(hostConfig.PortBindings ?? {}, hostConfig.PublishAllPorts ? Object.keys(config.ExposedPorts ?? {}) : [])
      : [],
  };
}

/** `-p` and `-P`: what is exposed and not published by name gets an ephemeral port. */
export function portRequests(
  bindings: Readonly<Record<string, { HostIp?: string; HostPort?: string }[] | null>>,
  exposed: readonly string[],
): PortRequest[] {
  const asked = Object.entries(bindings).flatMap(([port, places]) => {
    const { containerPort, protocol } = parsePort(port);
    return (places?.length ? places : [{}]).map((place): PortRequest => {
      const [first = '', last] = (place.HostPort ?? '').split('-');
      return {
        containerPort,
        protocol,
        hostIp: place.HostIp ?? '',
        hostPort: Number(first),
        ...(last && last !== first ? { hostPortEnd: Number(last) } : {}),
      };
    });
  });
  const rest = exposed
    .map(parsePort)
    .filter((port) => !asked.some((one) => one.containerPort === port.containerPort && one.protocol === port.protocol))
    .map((port) => ({ ...port, hostIp: '', hostPort: 0 }));
  return [...asked, ...rest];
}

function parsePort(text: string): { containerPort: number; protocol: PortProtocol } {
  const [port, protocol = 'tcp'] = text.split('/');
  return { containerPort: Number(port), protocol: protocol as PortProtocol };
}

/** Brings the interfaces into the network namespace of `pid`. */
export function attachNetworks(container: Container, endpoints: readonly Endpoint[], pid: number): void {
  if (container.record.hostConfig.NetworkMode === 'host') return;
  for (const endpoint of endpoints) endpoint.attach({ pid });
}

export function releaseEndpoints(context: ContainerContext, endpoints: readonly Pick<Endpoint, 'release' | 'record'>[]): void {
  for (const endpoint of endpoints) {
    try {
      endpoint.release();
    } catch (error) {
      context.log.error({ network: endpoint.record.networkName, err: error }, 'cannot release an endpoint');
    }
  }
}

/** The endpoints that a container holds now. */
export function endpointsOf(context: ContainerContext, container: Container): Endpoint[] {
  return context.networks.list().flatMap((network) => network.endpoints.get(container.id) ?? []);
}

/** hostname, hosts and resolv.conf, unless they are another container's. */
export function writeNetworkFiles(context: ContainerContext, container: Container, endpoints: readonly Endpoint[]): void {
  const { config, hostConfig } = container.record;
  if (containerOfMode(hostConfig.NetworkMode) !== undefined) return;
  const files = networkFiles(context, container);
  const shared = hostConfig.NetworkMode === 'host';
  const addresses = endpoints.flatMap(({ record }) => [record.ipv4?.address, record.ipv6?.address].filter((one) => one !== undefined));
  const [first] = endpoints;
  const hostGateway = first?.record.ipv4?.gateway || bridgeGateway(context);
  const extraHosts = hostConfig.ExtraHosts ?? [];
  const hostname = config.Hostname ?? '';
  writeFileSync(files.hostname, hostnameFile(hostname));
  writeFileSync(
    files.hosts,
    shared
      ? sharedHosts(readFileSync('/etc/hosts', 'utf8'), { extraHosts, hostGateway })
      : containerHosts({
          hostname,
          domainname: config.Domainname,
          addresses,
          links: linkedHosts(context, container),
          extraHosts,
          hostGateway,
        }),
  );
  writeResolvConf(
    context,
    container,
    endpoints.map(({ record }) => record),
  );
}

function bridgeGateway(context: ContainerContext): string | undefined {
  return context.networks.list().find((network) => network.record.name === 'bridge')?.record.subnets[0]?.gateway;
}
