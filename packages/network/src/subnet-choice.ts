// Which subnet a network gets when nobody says: the first of Docker's own defaults that neither another network nor a route of
// the host covers, so that a container never shadows the office's network.
import { randomBytes } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Cidr, overlaps, parseCidr } from './ip.ts';

/** 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 to 192.168.240.0/20. */
export function* defaultSubnets(): Generator<Cidr> {
  for (let second = 17; second < 32; second++) yield parseCidr(`172.${second}.0.0/16`).cidr;
  for (let third = 0; third < 256; third += 16) yield parseCidr(`192.168.${third}.0/20`).cidr;
}

/** The first default subnet that overlaps none of `taken`. */
export function chooseSubnet(taken: readonly Cidr[]): Cidr {
  for (const subnet of defaultSubnets()) {
    if (!taken.some((other) => overlaps(other, subnet))) return subnet;
  }
  throw new EngineError('ResourceExhausted', 'all predefined address pools have been fully subnetted', { layer: 'network' });
}

/** A random unique local /64 (RFC 4193): the odds of two networks meeting are those of 56 random bits. */
export function chooseUniqueLocalSubnet(): Cidr {
  const value = randomBytes(7).reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0xfdn);
  return { version: 6, base: value << 64n, prefixLength: 64 };
}
