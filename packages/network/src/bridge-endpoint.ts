// A container's place on a bridge: a veth pair, addresses, published ports. attach() is two netlink batches, one on each side.
import { randomInt } from 'node:crypto';
import { closeSync, writeFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { createVeth, deleteLink, findLink, LOOPBACK_INDEX, setLinkUp } from '@berth/sys/netlink/link';
import { addAddress, addDefaultRoute, addForwardingEntry } from '@berth/sys/netlink/route';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
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

const MAX_TRIES = 64;
/** Interface numbers of veth ends: above all that the kernel gives out by itself, which counts up from 1. */
const FIRST_INDEX = 1 << 20;
const LAST_INDEX = 1 << 30;

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
      const far = this.#plugIn(fd);
      try {
        this.#setUp(fd, far);
      } catch (error) {
        this.#unplug();
        throw error;
      }
      this.record.containerInterface = far.name;
    } catch (error) {
      throw new EngineError(
        'Internal',
        `failed to attach container ${this.record.containerName} to network ${this.record.networkName}: ${(error as Error).message}`,
        {
          layer: 'network',
          cause: error,
        },
      );
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
    this.#unplug();
    this.release();
  }

  #unplug(): void {
    this.#port.route.transact([{ ...deleteLink(this.record.hostInterface), tolerate: ['ENODEV'] }]);
  }

  /**
   * Makes the pair, the container's end as the first free of eth0, eth1, … The interface numbers are chosen here, so that nothing
   * has to be asked between one request and the next.
   */
  #plugIn(namespaceFd: number): { name: string; index: number } {
    const { route, bridgeIndex: master, mtu } = this.#port;
    const { macAddress, hostInterface } = this.record;
    let number = 0;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const near = randomInt(FIRST_INDEX, LAST_INDEX);
      // 2 is what the first interface after the loopback would get anyway.
      const far = tries === 0 ? 2 : near;
      const peer = { name: `eth${number}`, index: far, macAddress, namespaceFd };
      try {
        // The last user of this address may still be dying with its namespace, its port in the bridge's table: overwrite it.
        route.transact([createVeth({ name: hostInterface, index: near, master, mtu, peer }), addForwardingEntry(near, macAddress)]);
        return { name: peer.name, index: far };
      } catch (error) {
        const code = (error as { code?: string }).code;
        if (code === 'EEXIST' && !findLink(route, hostInterface)) number++;
        else if (code !== 'EBUSY') {
          if (code !== 'EEXIST') this.#unplug();
          throw error;
        }
      }
    }
    throw new EngineError('ResourceExhausted', `no free interface number or name in ${MAX_TRIES} tries`, { layer: 'network' });
  }

  #setUp(namespaceFd: number, { name, index }: { name: string; index: number }): void {
    const { ipv4, ipv6 } = this.record;
    using socket = inNetworkNamespace(namespaceFd, () => {
      if (!ipv6) disableIpv6(name);
      return new NetlinkSocket(NETLINK_ROUTE);
    });
    const addresses = [ipv4, ipv6].filter((address): address is EndpointAddress => address !== undefined);
    socket.transact([
      setLinkUp(LOOPBACK_INDEX),
      ...addresses.map(({ address, prefixLength }) => addAddress(index, { address: ipBytes(parseIp(address)), prefixLength })),
      setLinkUp(index),
      ...addresses.filter(({ gateway }) => gateway !== '').map(({ gateway }) => addDefaultRoute(index, ipBytes(parseIp(gateway)))),
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
