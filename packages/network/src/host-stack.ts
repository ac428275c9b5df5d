// What the networks of one daemon share of the host: the netlink sockets, the table of published ports, and the switches of the
// daemon's command line.
import { readFileSync, writeFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { listRoutes } from '@berth/sys/netlink/route';
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { HostPorts } from './host-ports.ts';
import { type Cidr, ipOfBytes } from './ip.ts';

export interface HostStackOptions {
  /** dockerd's --iptables: false leaves the host's packet filter alone. Nothing is published but through the proxies then. */
  iptables?: boolean;
  /** dockerd's --ip-forward: whether to switch forwarding on where it is off. */
  ipForward?: boolean;
  /** Told what could not be put back after a restart. */
  warn?: (message: string) => void;
}

export class HostStack implements Disposable {
  readonly route = new NetlinkSocket(NETLINK_ROUTE);
  /** Missing with --iptables=false. */
  readonly nftables: NetlinkSocket | undefined;
  readonly ports = new HostPorts();
  readonly warn: (message: string) => void;
  readonly #ipForward: boolean;

  constructor(options: HostStackOptions = {}) {
    this.nftables = options.iptables === false ? undefined : new NetlinkSocket(NETLINK_NETFILTER);
    this.#ipForward = options.ipForward !== false;
    this.warn = options.warn ?? (() => {});
  }

  /** Switches forwarding between interfaces on, as dockerd does; leaves it when the daemon was told --ip-forward=false. */
  enableForwarding(version: 4 | 6): void {
    if (!this.#ipForward) return;
    const file = version === 4 ? '/proc/sys/net/ipv4/ip_forward' : '/proc/sys/net/ipv6/conf/all/forwarding';
    try {
      if (readFileSync(file, 'utf8').trim() !== '1') writeFileSync(file, '1');
    } catch (error) {
      throw new EngineError('FailedPrecondition', `cannot enable IP forwarding in ${file}; set it yourself and pass --ip-forward=false`, {
        layer: 'network',
        cause: error,
      });
    }
  }

  /** The subnets that the host has routes to, the default route left out. */
  routedSubnets(version: 4 | 6): Cidr[] {
    return listRoutes(this.route, version)
      .filter((route) => route.prefixLength > 0)
      .map((route) => ({ ...ipRange(route.destination), prefixLength: route.prefixLength }));
  }

  [Symbol.dispose](): void {
    this.route[Symbol.dispose]();
    this.nftables?.[Symbol.dispose]();
  }
}

function ipRange(bytes: Uint8Array): { version: 4 | 6; base: bigint } {
  const { version, value } = ipOfBytes(bytes);
  return { version, base: value };
}
