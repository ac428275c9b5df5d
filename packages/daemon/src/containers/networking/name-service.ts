// The names that a container can look up on user-defined networks: the daemon's name server inside its network namespace, and the
// resolv.conf that leads there. A container on the default networks has neither.
import { writeFileSync } from 'node:fs';
import { NAME_SERVER_ADDRESS } from '@berth/network/dns/name-server';
import type { EndpointRecord } from '@berth/network/driver';
import { isPredefined } from '@berth/network/networks';
import { containerResolvConf, hostResolver, namedNetworkResolvConf, upstreamServers } from '@berth/network/resolv-conf';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { networkFiles } from '../spec/make-spec.ts';

/** Answers from now on where one of the endpoints is on a user-defined network. */
export function openNames(context: ContainerContext, container: Container, endpoints: readonly EndpointRecord[], pid: number): void {
  if (container.names || !hasNames(endpoints)) return;
  container.names = context.networks.serveNames(
    container.id,
    { pid },
    upstreamServers(hostResolver(), resolverOptions(context, container)),
  );
}

export function closeNames(container: Container): void {
  container.names?.[Symbol.dispose]();
  container.names = undefined;
}

/** The container runs, and was connected to or disconnected from a network. */
export function changeNames(context: ContainerContext, container: Container): void {
  const { endpoints, state } = container.record;
  if (hasNames(endpoints)) openNames(context, container, endpoints, state.pid);
  else closeNames(container);
  writeResolvConf(context, container, endpoints);
}

/** After the daemon's own start: its predecessor's sockets went with it. */
export function recoverNames(context: ContainerContext): void {
  for (const container of context.store.all()) {
    if (!container.running) continue;
    try {
      openNames(context, container, container.record.endpoints, container.record.state.pid);
    } catch (error) {
      context.log.warn({ container: container.id, err: error }, 'names cannot be looked up in a running container');
    }
  }
}

export function writeResolvConf(context: ContainerContext, container: Container, endpoints: readonly EndpointRecord[]): void {
  const host = hostResolver();
  const options = resolverOptions(context, container);
  const text = hasNames(endpoints)
    ? namedNetworkResolvConf(host, options, NAME_SERVER_ADDRESS)
    : containerResolvConf(host, options, { shared: container.record.hostConfig.NetworkMode === 'host' });
  writeFileSync(networkFiles(context, container).resolvConf, text);
}

function resolverOptions(context: ContainerContext, container: Container) {
  const { hostConfig } = container.record;
  const { dns } = context.config;
  const own = (mine: string[] | null | undefined, daemons: readonly string[]) => (mine?.length ? mine : daemons);
  return {
    dns: own(hostConfig.Dns, dns.servers),
    search: own(hostConfig.DnsSearch, dns.search),
    options: own(hostConfig.DnsOptions, dns.options),
  };
}

function hasNames(endpoints: readonly EndpointRecord[]): boolean {
  return endpoints.some(({ networkName }) => !isPredefined(networkName));
}
