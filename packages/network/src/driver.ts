// What a network is to the rest of the engine: a maker of endpoints. The daemon (the only process that runs this package)
// allocates an endpoint before the container exists, attaches it once there is a network namespace, and releases it after
// the container's exit. Everything here is synchronous: one call is one or two netlink batches, well under a millisecond each.
//
//   allocate ──> attach ──> (container runs) ──> release
//       └────────────────────────────────────────^   a start that fails releases what it allocated
//
// Records are plain JSON: the daemon stores them with the container and hands them to restore() after a restart.

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A port the user asked to publish (`-p`, `-P`). */
export interface PortRequest {
  containerPort: number;
  protocol: PortProtocol;
  /** The host address to bind; '' is every IPv4 and IPv6 address. */
  hostIp: string;
  /** 0 takes a free one of the ephemeral range. */
  hostPort: number;
  /** With `hostPort`, the end of a range of which one free port is taken. */
  hostPortEnd?: number;
}

/** A port that is published, with the host address and port it really has. */
export interface PublishedPort {
  containerPort: number;
  protocol: PortProtocol;
  /** '0.0.0.0', '::' or the address asked for. */
  hostIp: string;
  hostPort: number;
}

export interface EndpointRequest {
  containerId: string;
  /** Without the leading slash; error messages name it. */
  containerName: string;
  ipv4Address?: string;
  ipv6Address?: string;
  macAddress?: string;
  /** Names beside the container's own that user-defined networks resolve. */
  aliases?: string[];
  ports?: PortRequest[];
}

/** One address of an endpoint. */
export interface EndpointAddress {
  address: string;
  prefixLength: number;
  /** '' on internal networks. */
  gateway: string;
}

/** Everything about an endpoint that survives the daemon. */
export interface EndpointRecord {
  /** 64 hex digits. */
  endpointId: string;
  /** The id of the network. */
  networkId: string;
  networkName: string;
  containerId: string;
  containerName: string;
  /** '' on networks without interfaces of their own (host, none). */
  macAddress: string;
  ipv4?: EndpointAddress;
  ipv6?: EndpointAddress;
  ports: PublishedPort[];
  aliases: string[];
  /** The host's end of the veth pair; '' where there is none. */
  hostInterface: string;
  /** eth0, eth1, … once attached. */
  containerInterface: string;
}

/** A network namespace, by a process that lives in it or by a descriptor of it. */
export type NetworkNamespace = { pid: number } | { fd: number };

export interface Endpoint {
  readonly record: EndpointRecord;
  /** Makes the interface inside the namespace, with its addresses and routes, and brings the loopback up. At most once. */
  attach(namespace: NetworkNamespace): void;
  /** Gives back addresses, ports and rules. The interface goes with its namespace. Idempotent. */
  release(): void;
  /** Unplugs a container that goes on running (`network disconnect`): removes its interface, then releases. */
  detach(): void;
}

/** The drivers of this package; the name is the Engine API's `Driver`. */
export type DriverName = 'bridge' | 'host' | 'null';

/** A subnet of a network as the Engine API's IPAM config states it. */
export interface Subnet {
  /** CIDR, e.g. 172.17.0.0/16. */
  subnet: string;
  gateway: string;
  /** The part of the subnet that addresses are taken from; the whole of it when missing. */
  range?: string;
}

/** What is written down about a network, and what `GET /networks/{id}` shows of it. */
export interface NetworkRecord {
  /** 64 hex digits. */
  id: string;
  name: string;
  driver: DriverName;
  /** RFC 3339, with nanoseconds. */
  created: string;
  internal: boolean;
  enableIpv6: boolean;
  subnets: Subnet[];
  /** Driver options by Docker's names, e.g. com.docker.network.bridge.name. */
  options: Record<string, string>;
  labels: Record<string, string>;
}

export interface Network {
  readonly record: NetworkRecord;
  /** Endpoints by container id, as they are now. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /**
   * Reserves addresses and host ports for a container; nothing of it exists in the kernel's device list yet.
   * Throws `driver failed programming external connectivity on endpoint …` when a port is taken, with nothing left reserved.
   */
  allocate(request: EndpointRequest): Endpoint;
  /** Takes over the endpoints of containers that outlived the daemon; published ports listen again. */
  restore(records: readonly EndpointRecord[]): Endpoint[];
  /** Stops proxies and forgets endpoints; containers keep their interfaces. For the daemon's end. */
  close(): void;
  /** Removes the bridge and the rules; refuses while it has endpoints. */
  remove(): void;
}
