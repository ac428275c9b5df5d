// The bridge driver: one Linux bridge with a subnet, a container on it by a veth pair, the outside by NAT. Both the default
// bridge and user-defined networks are this class; only their records differ. Runs in the daemon.
import { randomBytes } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import { AddressPool } from './address-pool.ts';
import { ensureBridge, removeBridge } from './bridge.ts';
import { BridgeEndpoint } from './bridge-endpoint.ts';
import { BridgeFirewall } from './bridge-firewall.ts';
import type { Endpoint, EndpointAddress, EndpointRecord, EndpointRequest, Network, NetworkRecord } from './driver.ts';
import type { HostStack } from './host-stack.ts';
import { formatIp, parseIp } from './ip.ts';
import { isMac, macOfAddress } from './mac.ts';
import { type Firewalls, PublishedPorts, redirections } from './published-ports.ts';

/** Docker's names of the driver's options. */
export const OPTION_BRIDGE_NAME = 'com.docker.network.bridge.name';
const OPTION_MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
const OPTION_HOST_BINDING = 'com.docker.network.bridge.host_binding_ipv4';
export const OPTION_MTU = 'com.docker.network.driver.mtu';
/** Says that the bridge was there before the daemon and stays when the network goes. */
export const OPTION_FOREIGN_BRIDGE = 'berth.bridge.foreign';

export class BridgeNetwork implements Network {
  readonly record: NetworkRecord;
  readonly bridgeName: string;
  readonly #endpoints = new Map<string, BridgeEndpoint>();
  readonly #host: HostStack;
  readonly #pools: { 4?: AddressPool; 6?: AddressPool } = {};
  readonly #firewalls: Firewalls = {};
  readonly #bridgeIndex: number;
  readonly #mtu: number;
  #installed = false;

  /** Makes the bridge, or takes over the one of a daemon that was here before. The rules come with restore() or the first endpoint. */
  constructor(record: NetworkRecord, host: HostStack) {
    this.record = record;
    this.#host = host;
    this.bridgeName = record.options[OPTION_BRIDGE_NAME] ?? `br-${record.id.slice(0, 12)}`;
    this.#mtu = Number(record.options[OPTION_MTU] ?? 1500);
    for (const subnet of record.subnets) {
      const pool = AddressPool.parse(subnet);
      const { version } = pool.subnet;
      if (this.#pools[version])
        throw new EngineError('InvalidArgument', `a bridge network has one IPv${version} subnet`, { layer: 'network' });
      this.#pools[version] = pool;
    }
    const pools = Object.values(this.#pools);
    const gateways = pools.map((pool) => ({ address: pool.gateway, prefixLength: pool.subnet.prefixLength }));
    this.#bridgeIndex = ensureBridge(host.route, this.bridgeName, gateways, this.#mtu).index;
    for (const { subnet } of pools) {
      if (!record.internal) host.enableForwarding(subnet.version);
      if (!host.nftables) continue;
      this.#firewalls[subnet.version] = new BridgeFirewall(host.nftables, {
        bridge: this.bridgeName,
        subnet,
        internal: record.internal,
        masquerade: record.options[OPTION_MASQUERADE] !== 'false',
      });
    }
  }

  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#endpoints;
  }

  allocate(request: EndpointRequest): Endpoint {
    if (!this.#installed) this.#installRules();
    const { containerId, containerName } = request;
    if (this.#endpoints.has(containerId)) {
      const message = `endpoint with name ${containerName} already exists in network ${this.record.name}`;
      throw new EngineError('PermissionDenied', message, { layer: 'network' });
    }
    if (request.macAddress && !isMac(request.macAddress)) {
      throw new EngineError('InvalidArgument', `invalid MAC address: ${request.macAddress}`, { layer: 'network' });
    }
    const endpointId = randomBytes(32).toString('hex');
    const addresses: { ipv4?: EndpointAddress; ipv6?: EndpointAddress } = {};
    try {
      addresses.ipv4 = this.#take(4, request.ipv4Address);
      addresses.ipv6 = this.#take(6, request.ipv6Address);
      const ports = new PublishedPorts(this.#host.ports, this.#firewalls, addresses);
      const requests = (request.ports ?? []).map((port) => ({ ...port, hostIp: port.hostIp || this.#defaultBinding() }));
      if (!this.record.internal) reservePorts(ports, requests, containerName, endpointId);
      const first = addresses.ipv4 ?? addresses.ipv6;
      const record: EndpointRecord = {
        endpointId,
        networkId: this.record.id,
        networkName: this.record.name,
        containerId,
        containerName,
        macAddress: request.macAddress?.toLowerCase() || (first ? macOfAddress(parseIp(first.address)) : ''),
        ...addresses,
        ports: ports.published,
        aliases: request.aliases ?? [],
        hostInterface: `veth${endpointId.slice(0, 7)}`,
        containerInterface: '',
      };
      return this.#keep(record, ports);
    } catch (error) {
      this.#giveBack(addresses);
      throw error;
    }
  }

  restore(records: readonly EndpointRecord[]): Endpoint[] {
    const restored = records.map((record) => {
      if (record.ipv4) this.#pools[4]?.take(record.ipv4.address);
      if (record.ipv6) this.#pools[6]?.take(record.ipv6.address);
      const ports = new PublishedPorts(this.#host.ports, this.#firewalls, record);
      for (const error of ports.restore(record.ports)) this.#host.warn(`container ${record.containerName}: ${error.message}`);
      return this.#keep({ ...record }, ports);
    });
    this.#installRules();
    return restored;
  }

  close(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.ports.close();
    this.#endpoints.clear();
  }

  remove(): void {
    if (this.#endpoints.size > 0) {
      const who = [...this.#endpoints.values()].map(
        ({ record }) => `name:"${record.containerName}" id:"${record.containerId.slice(0, 12)}"`,
      );
      const message = `error while removing network: network ${this.record.name} has active endpoints (${who.join(', ')})`;
      throw new EngineError('PermissionDenied', message, { layer: 'network' });
    }
    for (const firewall of Object.values(this.#firewalls)) firewall.remove();
    if (this.record.options[OPTION_FOREIGN_BRIDGE] !== 'true') removeBridge(this.#host.route, this.bridgeName);
  }

  #keep(record: EndpointRecord, ports: PublishedPorts): BridgeEndpoint {
    const endpoint = new BridgeEndpoint(record, ports, {
      route: this.#host.route,
      bridgeIndex: this.#bridgeIndex,
      mtu: this.#mtu,
      released: () => {
        this.#endpoints.delete(record.containerId);
        this.#giveBack(record);
      },
    });
    this.#endpoints.set(record.containerId, endpoint);
    return endpoint;
  }

  #take(version: 4 | 6, wanted: string | undefined): EndpointAddress | undefined {
    const pool = this.#pools[version];
    if (!pool) {
      if (!wanted) return undefined;
      throw new EngineError('InvalidArgument', `network ${this.record.name} has no IPv${version} subnet for ${wanted}`, {
        layer: 'network',
      });
    }
    const gateway = this.record.internal ? '' : formatIp(pool.gateway);
    return { address: formatIp(pool.take(wanted)), prefixLength: pool.subnet.prefixLength, gateway };
  }

  #giveBack({ ipv4, ipv6 }: { ipv4?: EndpointAddress; ipv6?: EndpointAddress }): void {
    if (ipv4) this.#pools[4]?.free(parseIp(ipv4.address));
    if (ipv6) this.#pools[6]?.free(parseIp(ipv6.address));
  }

  #defaultBinding(): string {
    const binding = this.record.options[OPTION_HOST_BINDING] ?? '';
    return binding === '0.0.0.0' ? '' : binding;
  }

  #installRules(): void {
    for (const version of [4, 6] as const) {
      const all = [...this.#endpoints.values()].flatMap(({ record }) => redirections(record.ports, record, version));
      this.#firewalls[version]?.install(all);
    }
    this.#installed = true;
  }
}

function reservePorts(ports: PublishedPorts, requests: EndpointRequest['ports'], containerName: string, endpointId: string): void {
  try {
    ports.reserve(requests ?? []);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const message = `driver failed programming external connectivity on endpoint ${containerName} (${endpointId}): ${error.message}`;
    throw new EngineError(error.kind, message, { layer: 'network', cause: error, details: error.details });
  }
}
