// The nftables table of one bridge and one address family: masquerading towards the outside, redirection of published ports, and
// what may be forwarded to containers. It is named after the bridge (`berth-<bridge>`), so several daemons do not meet in it, and it is
// replaced as a whole when a daemon starts. Publishing a port is one element of a map: rules never change.
//
// A rule here cannot overrule a drop elsewhere: the host's own FORWARD policy must let containers through (docs/networks.md).
import { forgetFlows } from '@berth/sys/netlink/conntrack';
import type { NetlinkSocket } from '@berth/sys/netlink/socket';
import { FAMILY_IP, FAMILY_IP6, type MapElement, NftBatch, registers } from '@berth/sys/nftables/batch';
import {
  CT_STATE_ESTABLISHED,
  CT_STATE_RELATED,
  CT_STATUS_DNAT,
  compare,
  connection,
  destinationIsLocal,
  destinationNat,
  type Expression,
  interfaceName,
  lookup,
  mask,
  masquerade,
  meta,
  payload,
  verdict,
} from '@berth/sys/nftables/expression';
import type { PublishedPort } from './driver.ts';
import { type Cidr, ipBytes, maskBytes, parseIp } from './ip.ts';

/** A published port and where it leads. */
export interface Redirection {
  port: PublishedPort;
  /** The container's address, of the table's family. */
  target: string;
}

export interface BridgeFirewallOptions {
  bridge: string;
  subnet: Cidr;
  /** No way in or out but the bridge itself. */
  internal: boolean;
  masquerade: boolean;
}

const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 };
/** Redirections by protocol and port, for whatever address of the host. */
const ANY_ADDRESS = 'ports';
/** Redirections by address, protocol and port. */
const ONE_ADDRESS = 'ports_of_address';

export class BridgeFirewall {
  readonly #socket: NetlinkSocket;
  readonly #options: BridgeFirewallOptions;
  readonly #family: typeof FAMILY_IP | typeof FAMILY_IP6;
  readonly #table: string;
  #current: Redirection[] = [];

  constructor(socket: NetlinkSocket, options: BridgeFirewallOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#family = options.subnet.version === 4 ? FAMILY_IP : FAMILY_IP6;
    this.#table = `berth-${options.bridge}`;
  }

  /** Puts the table in place with these redirections, instead of what was there, at once. */
  install(redirections: readonly Redirection[]): void {
    this.#current = [...redirections];
    const batch = new NftBatch(this.#family, this.#table).replaceTable();
    if (this.#options.internal) this.#isolate(batch);
    else this.#connect(batch);
    batch.commit(this.#socket);
  }

  publish(redirections: readonly Redirection[]): void {
    if (this.#options.internal) return;
    this.#current.push(...redirections);
    const { any, one } = this.#elements(redirections);
    this.#change(new NftBatch(this.#family, this.#table).addElements(ANY_ADDRESS, any).addElements(ONE_ADDRESS, one));
    this.#forgetDatagrams(redirections);
  }

  unpublish(redirections: readonly Redirection[]): void {
    if (this.#options.internal) return;
    const key = ({ port }: Redirection) => `${port.protocol} ${port.hostIp} ${port.hostPort}`;
    const gone = new Set(redirections.map(key));
    this.#current = this.#current.filter((redirection) => !gone.has(key(redirection)));
    const { any, one } = this.#elements(redirections);
    this.#change(new NftBatch(this.#family, this.#table).removeElements(ANY_ADDRESS, any).removeElements(ONE_ADDRESS, one));
    this.#forgetDatagrams(redirections);
  }

  remove(): void {
    new NftBatch(this.#family, this.#table).removeTable().commit(this.#socket);
  }

  /** Changes the maps; a table that somebody flushed or edited meanwhile is put back as it should be. */
  #change(batch: NftBatch): void {
    try {
      batch.commit(this.#socket);
    } catch (error) {
      if (!['ENOENT', 'EEXIST', 'EBUSY'].includes((error as { code?: string }).code ?? '')) throw error;
      this.install(this.#current);
    }
  }

  /** A UDP flow goes on to the container that it first went to, as long as its client talks: also when that one is gone. */
  #forgetDatagrams(redirections: readonly Redirection[]): void {
    const ports = redirections.filter(({ port }) => port.protocol === 'udp').map(({ port }) => port.hostPort);
    if (ports.length > 0) forgetFlows(this.#socket, this.#family, PROTOCOL_NUMBERS.udp, new Set(ports));
  }

  #isolate(batch: NftBatch): void {
    const { bridge } = this.#options;
    batch.addChain({ name: 'forward', type: 'filter', hook: 'forward', priority: 0 });
    batch.addRule('forward', interfaceIs('iifname', '!=', bridge), interfaceIs('oifname', '==', bridge), verdict('drop'));
    batch.addRule('forward', interfaceIs('iifname', '==', bridge), interfaceIs('oifname', '!=', bridge), verdict('drop'));
  }

  #connect(batch: NftBatch): void {
    const { bridge } = this.#options;
    const address = this.#family === FAMILY_IP ? 'ipv4_addr' : 'ipv6_addr';
    batch
      .addMap(ANY_ADDRESS, ['inet_proto', 'inet_service'], [address, 'inet_service'])
      .addMap(ONE_ADDRESS, [address, 'inet_proto', 'inet_service'], [address, 'inet_service'])
      .addChain({ name: 'prerouting', type: 'nat', hook: 'prerouting', priority: -100 })
      .addChain({ name: 'output', type: 'nat', hook: 'output', priority: -100 })
      .addChain({ name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 100 })
      .addChain({ name: 'forward', type: 'filter', hook: 'forward', priority: 0 });
    // Local clients are redirected too, except on loopback: those come from 127.0.0.1, which no container could answer. The
    // userland proxy serves them.
    // Nor are containers of this bridge that use TCP: a redirection back to the port it came from is lost where br_netfilter is
    // loaded, and the proxy does it as well. It cannot for UDP, whose answers would come from another address.
    batch.addRule(
      'prerouting',
      interfaceIs('iifname', '==', bridge),
      [meta('l4proto', 0), compare(0, '==', Uint8Array.of(PROTOCOL_NUMBERS.tcp))],
      verdict('accept'),
    );
    for (const map of [ONE_ADDRESS, ANY_ADDRESS]) {
      batch.addRule('prerouting', destinationIsLocal(0), this.#redirect(map));
      batch.addRule('output', this.#notLoopback(), destinationIsLocal(0), this.#redirect(map));
    }
    if (this.#options.masquerade) {
      batch.addRule('postrouting', this.#fromSubnet(), interfaceIs('oifname', '!=', bridge), masquerade());
    }
    // A container that reaches another, or itself, through a published port: the answer has to come back this way.
    const redirected = connection('status', CT_STATUS_DNAT, 0);
    batch.addRule('postrouting', this.#fromSubnet(), interfaceIs('oifname', '==', bridge), redirected, masquerade());

    const toContainers = interfaceIs('oifname', '==', bridge);
    batch.addRule('forward', toContainers, connection('state', CT_STATE_ESTABLISHED | CT_STATE_RELATED, 0), verdict('accept'));
    batch.addRule('forward', interfaceIs('iifname', '==', bridge), verdict('accept'));
    batch.addRule('forward', toContainers, redirected, verdict('accept'));
    // Everything else that is routed to a container is not its business: unpublished ports, other networks.
    batch.addRule('forward', toContainers, verdict('drop'));
    const { any, one } = this.#elements(this.#current);
    batch.addElements(ANY_ADDRESS, any).addElements(ONE_ADDRESS, one);
  }

  #elements(redirections: readonly Redirection[]): { any: MapElement[]; one: MapElement[] } {
    const any: MapElement[] = [];
    const one: MapElement[] = [];
    for (const { port, target } of redirections) {
      const data = registers(ipBytes(parseIp(target)), portBytes(port.containerPort));
      const service = [Uint8Array.of(PROTOCOL_NUMBERS[port.protocol]), portBytes(port.hostPort)];
      const host = ipBytes(parseIp(port.hostIp));
      if (host.every((byte) => byte === 0)) any.push({ key: registers(...service), data });
      else one.push({ key: registers(host, ...service), data });
    }
    return { any, one };
  }

  #redirect(map: string): Expression[] {
    const words = this.#family === FAMILY_IP ? 1 : 4;
    const keyed = map === ONE_ADDRESS ? [this.#address('destination', 0)] : [];
    const at = map === ONE_ADDRESS ? words : 0;
    return [...keyed, meta('l4proto', at), payload('transport', 2, 2, at + 1), lookup(map, 0, 0), destinationNat(this.#family, 0, words)];
  }

  #address(which: 'source' | 'destination', to: number): Expression {
    if (this.#family === FAMILY_IP) return payload('network', which === 'source' ? 12 : 16, 4, to);
    return payload('network', which === 'source' ? 8 : 24, 16, to);
  }

  #fromSubnet(): Expression[] {
    const { version, prefixLength, base } = this.#options.subnet;
    return [this.#address('source', 0), mask(0, maskBytes(version, prefixLength)), compare(0, '==', ipBytes({ version, value: base }))];
  }

  #notLoopback(): Expression[] {
    if (this.#family === FAMILY_IP) return [payload('network', 16, 1, 0), compare(0, '!=', Uint8Array.of(127))];
    return [this.#address('destination', 0), compare(0, '!=', ipBytes({ version: 6, value: 1n }))];
  }
}

function interfaceIs(key: 'iifname' | 'oifname', operator: '==' | '!=', name: string): Expression[] {
  return [meta(key, 0), compare(0, operator, interfaceName(name))];
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}
