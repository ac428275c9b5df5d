// All networks of a daemon: the three that are always there, and those that users make. Records are stored by the daemon;
// what it hands in at the start is what there is.
import { randomBytes } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import { bridgeAddress } from './bridge.ts';
import { BridgeNetwork, OPTION_BRIDGE_NAME, OPTION_FOREIGN_BRIDGE, OPTION_MTU } from './bridge-network.ts';
import { NameServer } from './dns/name-server.ts';
import { Names } from './dns/names.ts';
import { parseServer } from './dns/upstream.ts';
import type { DriverName, EndpointRecord, Network, NetworkNamespace, NetworkRecord, Subnet } from './driver.ts';
import { HostStack, type HostStackOptions } from './host-stack.ts';
import { type Cidr, cidrOf, formatCidr, formatIp, overlaps, parseCidr } from './ip.ts';
import { PlainNetwork } from './plain-network.ts';
import { chooseSubnet, chooseUniqueLocalSubnet } from './subnet-choice.ts';

/** dockerd's flags, by its names. */
export interface NetworksOptions extends HostStackOptions {
  /** --bridge: a bridge that exists already, or 'none' for no default bridge. */
  bridge?: string;
  /** The name of the default bridge that is made when `bridge` is not given. */
  defaultBridge?: string;
  /** --bip: the default bridge's address, e.g. 192.168.7.1/24. */
  bip?: string;
  /** --fixed-cidr: the part of its subnet that containers get. */
  fixedCidr?: string;
  /** --ip-masq. */
  ipMasq?: boolean;
  mtu?: number;
}

/** What a user states of a network to be made. */
export interface NetworkRequest {
  name: string;
  driver?: string;
  internal?: boolean;
  enableIpv6?: boolean;
  subnets?: { subnet?: string; gateway?: string; range?: string }[];
  options?: Record<string, string>;
  labels?: Record<string, string>;
}

const PREDEFINED = ['bridge', 'host', 'none'];

export class Networks implements Disposable {
  readonly #host: HostStack;
  readonly #networks = new Map<string, Network>();

  /** `stored` are the records of an earlier life, `endpoints` those of the containers that run still. */
  constructor(options: NetworksOptions, stored: readonly NetworkRecord[] = [], endpoints: readonly EndpointRecord[] = []) {
    this.#host = new HostStack(options);
    try {
      for (const record of stored.filter(({ name }) => !isPredefined(name))) this.#add(new BridgeNetwork(record, this.#host));
      const of = (name: string) => stored.find((record) => record.name === name);
      if (options.bridge !== 'none') this.#add(new BridgeNetwork(this.#defaultBridge(options, of('bridge')), this.#host));
      this.#add(new PlainNetwork({ ...(of('host') ?? newRecord('host', 'host')), driver: 'host' }));
      this.#add(new PlainNetwork({ ...(of('none') ?? newRecord('none', 'null')), driver: 'null' }));
      for (const network of this.#networks.values()) {
        network.restore(endpoints.filter(({ networkId }) => networkId === network.record.id));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  list(): Network[] {
    return [...this.#networks.values()];
  }

  /** By full id, by name, or by the start of an id that is nobody else's. */
  get(reference: string): Network {
    const all = this.list();
    const exact = this.#networks.get(reference) ?? all.find(({ record }) => record.name === reference);
    if (exact) return exact;
    const [found, another] = reference === '' ? [] : all.filter(({ record }) => record.id.startsWith(reference));
    if (another) {
      throw new EngineError('InvalidArgument', `network ${reference} is ambiguous (${all.length} matches found based on ID prefix)`, {
        layer: 'network',
      });
    }
    if (!found) throw new EngineError('NotFound', `network ${reference} not found`, { layer: 'network' });
    return found;
  }

  /** Makes a user-defined network; the caller stores its record. */
  create(request: NetworkRequest): Network {
    const { name } = request;
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
      throw new EngineError('InvalidArgument', `invalid network name ${JSON.stringify(name)}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
        layer: 'network',
      });
    }
    if (this.list().some(({ record }) => record.name === name)) {
      throw new EngineError('AlreadyExists', `network with name ${name} already exists`, { layer: 'network' });
    }
    const driver = request.driver || 'bridge';
    if (driver === 'host' || driver === 'null') {
      throw new EngineError('PermissionDenied', `only one instance of "${driver}" network is allowed`, { layer: 'network' });
    }
    if (driver !== 'bridge') {
      throw new EngineError('NotFound', `could not find plugin ${driver} in v1 plugin registry: plugin not found`, { layer: 'network' });
    }
    const record: NetworkRecord = {
      ...newRecord(name, 'bridge'),
      internal: request.internal === true,
      enableIpv6: request.enableIpv6 === true,
      options: request.options ?? {},
      labels: request.labels ?? {},
    };
    record.subnets = this.#subnets(request);
    const network = new BridgeNetwork(record, this.#host);
    this.#add(network);
    return network;
  }

  remove(reference: string): Network {
    const network = this.get(reference);
    const { name, id } = network.record;
    if (isPredefined(name)) {
      throw new EngineError('PermissionDenied', `${name} is a pre-defined network and cannot be removed`, { layer: 'network' });
    }
    network.remove();
    this.#networks.delete(id);
    return network;
  }

  /**
   * Answers a container's questions for names on 127.0.0.11 until it is disposed of. Needed on user-defined networks only; after a
   * restart of the daemon, again for each container that runs. `servers` are asked about all other names: those of --dns, or the host's.
   */
  serveNames(containerId: string, namespace: NetworkNamespace, servers: readonly string[]): Disposable {
    const names = new Names(() => this.list().filter(({ record, endpoints }) => !isPredefined(record.name) && endpoints.has(containerId)));
    return new NameServer(namespace, names, servers.map(parseServer));
  }

  /** The daemon goes; bridges and rules stay for the containers that run on. */
  [Symbol.dispose](): void {
    for (const network of this.#networks.values()) network.close();
    this.#host[Symbol.dispose]();
  }

  /** Removes every trace from the host, for a daemon with throw-away roots. No endpoint may be left. */
  removeAll(): void {
    for (const network of this.#networks.values()) {
      if (network.record.driver === 'bridge') network.remove();
    }
    this.#networks.clear();
  }

  #add(network: Network): void {
    this.#networks.set(network.record.id, network);
  }

  #defaultBridge(options: NetworksOptions, stored: NetworkRecord | undefined): NetworkRecord {
    const foreign = options.bridge !== undefined && options.bridge !== '';
    const name = foreign ? (options.bridge ?? '') : (options.defaultBridge ?? 'berth0');
    const existing = bridgeAddress(this.#host.route, name);
    if (foreign && !existing) {
      throw new EngineError('FailedPrecondition', `bridge ${name} does not exist or has no IPv4 address: make it, or leave --bridge out`, {
        layer: 'network',
      });
    }
    const before = stored?.subnets[0];
    let subnet: Subnet;
    if (options.bip && !foreign) subnet = subnetOfGateway(options.bip);
    else if (existing) subnet = subnetOfGateway(`${formatIp(existing.address)}/${existing.prefixLength}`);
    else if (before && !this.#isTaken(parseCidr(before.subnet).cidr)) subnet = before;
    else subnet = withGateway(chooseSubnet(this.#taken(4)));
    if (options.fixedCidr) subnet = { ...subnet, range: options.fixedCidr };
    return {
      ...(stored ?? newRecord('bridge', 'bridge')),
      subnets: [subnet],
      options: {
        'com.docker.network.bridge.default_bridge': 'true',
        'com.docker.network.bridge.enable_icc': 'true',
        'com.docker.network.bridge.enable_ip_masquerade': String(options.ipMasq !== false),
        'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
        [OPTION_BRIDGE_NAME]: name,
        [OPTION_MTU]: String(options.mtu ?? 1500),
        ...(foreign ? { [OPTION_FOREIGN_BRIDGE]: 'true' } : {}),
      },
    };
  }

  #subnets(request: NetworkRequest): Subnet[] {
    const subnets = (request.subnets ?? []).map(({ subnet, gateway, range }) => {
      if (!subnet) return { ...withGateway(chooseSubnet(this.#taken(4))), ...(range ? { range } : {}) };
      const { cidr } = parseCidr(subnet);
      const other = this.list().find(({ record }) => record.subnets.some((has) => overlaps(parseCidr(has.subnet).cidr, cidr)));
      if (other) {
        const message = 'invalid pool request: Pool overlaps with other one on this address space';
        throw new EngineError('PermissionDenied', message, { layer: 'network', details: { network: other.record.name } });
      }
      return { ...withGateway(cidr), ...(gateway ? { gateway } : {}), ...(range ? { range } : {}) };
    });
    const has = (version: 4 | 6) => subnets.some(({ subnet }) => parseCidr(subnet).cidr.version === version);
    if (!has(4)) subnets.unshift(withGateway(chooseSubnet(this.#taken(4))));
    if (request.enableIpv6 && !has(6)) subnets.push(withGateway(chooseUniqueLocalSubnet()));
    return subnets;
  }

  #taken(version: 4 | 6): Cidr[] {
    const ours = this.list().flatMap(({ record }) => record.subnets.map(({ subnet }) => parseCidr(subnet).cidr));
    return [...ours, ...this.#host.routedSubnets(version)];
  }

  #isTaken(subnet: Cidr): boolean {
    return this.#taken(subnet.version).some((other) => overlaps(other, subnet));
  }
}

/** The networks that are always there; users can neither make nor remove them, and names are not resolved on them. */
export function isPredefined(name: string): boolean {
  return PREDEFINED.includes(name);
}

function newRecord(name: string, driver: DriverName): NetworkRecord {
  return {
    id: randomBytes(32).toString('hex'),
    name,
    driver,
    created: `${new Date().toISOString().slice(0, -1)}000000Z`,
    internal: false,
    enableIpv6: false,
    subnets: [],
    options: {},
    labels: {},
  };
}

/** The subnet with its first address as the gateway. */
function withGateway(cidr: Cidr): Subnet {
  return { subnet: formatCidr(cidr), gateway: formatIp({ version: cidr.version, value: cidr.base + 1n }) };
}

function subnetOfGateway(text: string): Subnet {
  const { cidr, address } = parseCidr(text);
  return { subnet: formatCidr(cidrOf(address, cidr.prefixLength)), gateway: formatIp(address) };
}
