// The addresses of one subnet: the lowest free one is given out, as Docker does. Which are taken lives in memory only; after a
// restart the endpoints' records say it again (Network.restore).
import { EngineError } from '@berth/errdefs/engine-error';
import { type Cidr, cidrSize, contains, formatCidr, formatIp, type IpAddress, parseCidr, parseIp } from './ip.ts';

export class AddressPool {
  readonly subnet: Cidr;
  readonly gateway: IpAddress;
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #taken = new Set<bigint>();
  /** No address of the range below this one is free. */
  #hint: bigint;

  /** `range` is the part of the subnet that addresses are taken from; a fixed address may lie outside of it. */
  constructor(subnet: Cidr, gateway: IpAddress, range: Cidr = subnet) {
    if (!contains(subnet, gateway)) {
      throw new EngineError('InvalidArgument', `no matching subnet for gateway ${formatIp(gateway)}`, { layer: 'network' });
    }
    this.subnet = subnet;
    this.gateway = gateway;
    this.#first = range.base;
    this.#last = range.base + cidrSize(range) - 1n;
    this.#hint = this.#first;
    this.#taken.add(gateway.value);
    // The network's own address and, in IPv4, the broadcast address are nobody's. A /31 and a /32 have neither (RFC 3021).
    if (cidrSize(subnet) > 2n) {
      this.#taken.add(subnet.base);
      if (subnet.version === 4) this.#taken.add(subnet.base + cidrSize(subnet) - 1n);
    }
  }

  static parse(text: { subnet: string; gateway: string; range?: string }): AddressPool {
    const { cidr } = parseCidr(text.subnet);
    return new AddressPool(cidr, parseIp(text.gateway), text.range ? parseCidr(text.range).cidr : undefined);
  }

  /** Takes the address that is asked for, or the lowest free one. */
  take(wanted?: string): IpAddress {
    if (wanted !== undefined && wanted !== '') return this.#takeFixed(parseIp(wanted));
    for (let value = this.#hint; value <= this.#last; value++) {
      if (this.#taken.has(value)) continue;
      this.#taken.add(value);
      this.#hint = value + 1n;
      return { version: this.subnet.version, value };
    }
    this.#hint = this.#last + 1n;
    throw new EngineError(
      'ResourceExhausted',
      `no available IPv${this.subnet.version} addresses on this network's address pools: ${formatCidr(this.subnet)}`,
      {
        layer: 'network',
      },
    );
  }

  free(address: IpAddress): void {
    if (address.value === this.gateway.value || !this.#taken.delete(address.value)) return;
    if (address.value >= this.#first && address.value < this.#hint) this.#hint = address.value;
  }

  #takeFixed(address: IpAddress): IpAddress {
    if (!contains(this.subnet, address)) {
      throw new EngineError('InvalidArgument', `no configured subnet contains IP address ${formatIp(address)}`, { layer: 'network' });
    }
    if (this.#taken.has(address.value))
      throw new EngineError('PermissionDenied', 'Address already in use', { layer: 'network', details: { address: formatIp(address) } });
    this.#taken.add(address.value);
    return address;
  }
}
