// A container's place on a bridge: a veth pair, addresses, published ports. attach() is two netlink batches, one on each side.
import { closeSync, writeFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
import { createVeth, deleteLink, findLink, LOOPBACK_INDEX, setLinkUp } from '@berth/sys/netlink/link';
import { addAddress, addDefaultRoute, addForwardingEntry } from '@berth/sys/netlink/route';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import type { Endpoint, EndpointAddress, EndpointRecord, NetworkNamespace } from './driver.ts';
import { ipBytes, parseIp } from './ip.ts';
import type { PublishedPorts } from './published-ports.ts';

/** What an endpoint needs of its network. */
export interface BridgePort {
  route: NetlinkSocket;
  bridgeIndex: number;
  mtu: number;
  /** Gives the addresses back and forgets the endpoint. */
  released(endpoint: BridgeEndpoint): void;
}

const MAX_INTERFACES = 32;

export class BridgeEndpoint implements Endpoint {
  readonly record: EndpointRecord;
  readonly ports: PublishedPorts;
  readonly #port: BridgePort;
  #released = false;

  constructor(record: EndpointRecord, ports: PublishedPorts, port: BridgePort) {
    this.record = record;
    this.ports = ports;
    this.#port = port;
  }

  attach(namespace: NetworkNamespace): void {
    if (this.record.containerInterface !== '') {
      throw new EngineError('FailedPrecondition', `endpoint ${this.record.endpointId} is attached already`, { layer: 'network' });
    }
    const fd = 'fd' in namespace ? namespace.fd : openNetworkNamespace(namespace.pid);
    try {
      const name = this.#plugIn(fd);
      try {
        this.#setUp(fd, name);
      } catch (error) {
        this.#port.route.transact([{ ...deleteLink(this.record.hostInterface), tolerate: ['ENODEV'] }]);
        throw error;
      }
      this.record.containerInterface = name;
    } catch (error) {
      throw new EngineError('Internal', `failed to attach container ${this.record.containerName} to network ${this.record.networkName}: ${(error as Error).message}`, {
        layer: 'network',
        cause: error,
      });
    } finally {
      if (!('fd' in namespace)) closeSync(fd);
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.ports.release();
    this.#port.released(this);
  }

  detach(): void {
    this.#port.route.transact([{ ...deleteLink(this.record.hostInterface), tolerate: ['ENODEV'] }]);
    this.release();
  }

  /** Makes the pair; returns the name of the container's end, the first free of eth0, eth1, … */
  #plugIn(namespaceFd: number): string {
    const { route, bridgeIndex, mtu } = this.#port;
    const { macAddress, hostInterface } = this.record;
    for (let n = 0; n < MAX_INTERFACES; n++) {
      const name = `eth${n}`;
      try {
        route.transact([createVeth({ name: hostInterface, master: bridgeIndex, mtu, peer: { name, macAddress, namespaceFd } })]);
      } catch (error) {
        if ((error as { code?: string }).code === 'EEXIST' && !findLink(route, hostInterface)) continue;
        throw error;
      }
      const near = findLink(route, hostInterface);
      // The last user of this address may still be dying with its namespace, its port in the bridge's table: overwrite it.
      if (near) route.transact([addForwardingEntry(near.index, macAddress)]);
      return name;
    }
    throw new EngineError('ResourceExhausted', `the container has ${MAX_INTERFACES} interfaces already`, { layer: 'network' });
  }

  #setUp(namespaceFd: number, name: string): void {
    const { ipv4, ipv6 } = this.record;
    using socket = inNetworkNamespace(namespaceFd, () => {
      if (!ipv6) disableIpv6(name);
      return new NetlinkSocket(NETLINK_ROUTE);
    });
    const link = findLink(socket, name);
    if (!link) throw new EngineError('Internal', `interface ${name} is not in its namespace`, { layer: 'network' });
    const addresses = [ipv4, ipv6].filter((address): address is EndpointAddress => address !== undefined);
    socket.transact([
      setLinkUp(LOOPBACK_INDEX),
      ...addresses.map((address) => addAddress(link.index, { address: ipBytes(parseIp(address.address)), prefixLength: address.prefixLength })),
      setLinkUp(link.index),
      ...addresses.filter(({ gateway }) => gateway !== '').map(({ gateway }) => addDefaultRoute(link.index, ipBytes(parseIp(gateway)))),
    ]);
  }
}

/** Without an IPv6 address the interface speaks none, not even to announce itself. */
function disableIpv6(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
  } catch {
    // A kernel without IPv6.
  }
}
