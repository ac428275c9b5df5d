// The ports of one endpoint from reservation to release: the sockets that hold them, the proxies on those, and the rules'
// elements. All or nothing: a port that cannot be had gives the others back.
import { EngineError } from '@berth/errdefs/engine-error';
import type { BridgeFirewall, Redirection } from './bridge-firewall.ts';
import type { EndpointRecord, PortRequest, PublishedPort } from './driver.ts';
import type { HostPort, HostPorts } from './host-ports.ts';
import { parseIp } from './ip.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { UdpProxy } from './udp-proxy.ts';

/** The tables of a network's bridge; an address family that is missing is not redirected, only proxied. */
export interface Firewalls {
  4?: BridgeFirewall;
  6?: BridgeFirewall;
}

type Addresses = Pick<EndpointRecord, 'ipv4' | 'ipv6'>;

export class PublishedPorts {
  readonly #ports: HostPorts;
  readonly #firewalls: Firewalls;
  readonly #addresses: Addresses;
  readonly #held: { port: HostPort; proxy: Disposable | undefined }[] = [];

  constructor(ports: HostPorts, firewalls: Firewalls, addresses: Addresses) {
    this.#ports = ports;
    this.#firewalls = firewalls;
    this.#addresses = addresses;
  }

  get published(): PublishedPort[] {
    return this.#held.map(({ port }) => port.published);
  }

  reserve(requests: readonly PortRequest[]): void {
    const target = this.#addresses.ipv4?.address ?? this.#addresses.ipv6?.address ?? '';
    try {
      for (const request of requests) {
        for (const port of this.#ports.reserve(request, target)) this.#hold(port);
      }
      for (const [version, firewall] of this.#tables()) firewall.publish(redirections(this.published, this.#addresses, version));
    } catch (error) {
      this.#letGo();
      throw error;
    }
  }

  /**
   * Takes ports back after a restart of the daemon; the rules are rebuilt by the network, for all endpoints at once. A port that
   * somebody else has taken meanwhile is named in the result: the container runs on without it.
   */
  restore(published: readonly PublishedPort[]): Error[] {
    const target = this.#addresses.ipv4?.address ?? '';
    return published.flatMap((port) => {
      try {
        this.#hold(this.#ports.restore(port, target));
        return [];
      } catch (error) {
        return [error as Error];
      }
    });
  }

  release(): void {
    for (const [version, firewall] of this.#tables()) firewall.unpublish(redirections(this.published, this.#addresses, version));
    this.#letGo();
  }

  /** Closes sockets and proxies, and leaves the rules to work on without the daemon. */
  close(): void {
    this.#letGo();
  }

  #hold(port: HostPort): void {
    try {
      this.#held.push({ port, proxy: this.#proxy(port) });
    } catch (error) {
      this.#ports.release(port, { closeSocket: true });
      throw error;
    }
  }

  #proxy({ fd, published }: HostPort): Disposable | undefined {
    if (fd < 0) return undefined;
    const { version } = parseIp(published.hostIp);
    const own = version === 4 ? this.#addresses.ipv4 : this.#addresses.ipv6;
    const address = (own ?? this.#addresses.ipv4 ?? this.#addresses.ipv6)?.address;
    if (address === undefined) throw new EngineError('FailedPrecondition', 'the endpoint has no address to publish', { layer: 'network' });
    const target = { address, port: published.containerPort };
    return published.protocol === 'udp' ? new UdpProxy(fd, version, target) : new TcpProxy(fd, target);
  }

  #letGo(): void {
    for (const { port, proxy } of this.#held.splice(0)) {
      proxy?.[Symbol.dispose]();
      this.#ports.release(port);
    }
  }

  #tables(): [4 | 6, BridgeFirewall][] {
    if (this.#held.length === 0) return [];
    const tables: [4 | 6, BridgeFirewall][] = [];
    if (this.#firewalls[4] && this.#addresses.ipv4) tables.push([4, this.#firewalls[4]]);
    if (this.#firewalls[6] && this.#addresses.ipv6) tables.push([6, this.#firewalls[6]]);
    return tables;
  }
}

/** What the rules of one address family redirect. Loopback ports are the proxies' alone: no packet may carry 127.0.0.1 outside. */
export function redirections(published: readonly PublishedPort[], addresses: Addresses, version: 4 | 6): Redirection[] {
  const target = (version === 4 ? addresses.ipv4 : addresses.ipv6)?.address;
  if (target === undefined) return [];
  return published
    .filter(({ hostIp }) => parseIp(hostIp).version === version && !hostIp.startsWith('127.') && hostIp !== '::1')
    .map((port) => ({ port, target }));
}
