// IP addresses as numbers: parsing, printing, CIDR arithmetic for both families (RFC 4291, RFC 5952, RFC 4632).
import { isIPv4, isIPv6 } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';

export type IpVersion = 4 | 6;

export interface IpAddress {
  version: IpVersion;
  value: bigint;
}

/** A subnet; `base` has no bits beyond the prefix. */
export interface Cidr {
  version: IpVersion;
  base: bigint;
  prefixLength: number;
}

export function parseIp(text: string): IpAddress {
  const address = tryParseIp(text);
  if (!address) throw new EngineError('InvalidArgument', `invalid IP address: ${text}`, { layer: 'network' });
  return address;
}

export function tryParseIp(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { version: 4, value: parseV4(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  let groups = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted?.[1] && dotted[2]) {
    const v4 = parseV4(dotted[2]);
    groups = `${dotted[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = groups.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return { version: 6, value: all.reduce((value, group) => (value << 16n) | BigInt(Number.parseInt(group, 16)), 0n) };
}

function parseV4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** The canonical text: dotted, or RFC 5952's shortest with the longest run of zeros left out. */
export function formatIp({ version, value }: IpAddress): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - i * 16)) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

export function ipBytes({ version, value }: IpAddress): Uint8Array {
  const length = version === 4 ? 4 : 16;
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt((length - 1 - i) * 8)) & 0xffn));
}

export function ipOfBytes(bytes: Uint8Array): IpAddress {
  return { version: bytes.length === 4 ? 4 : 6, value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) };
}

function bits(version: IpVersion): number {
  return version === 4 ? 32 : 128;
}

/** Parses `address/prefix`; the address may have bits beyond the prefix, which `cidr` has not. */
export function parseCidr(text: string): { cidr: Cidr; address: IpAddress } {
  const [ip = '', prefix = '', ...rest] = text.split('/');
  const address = tryParseIp(ip);
  const prefixLength = /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (!address || rest.length > 0 || prefixLength < 0 || prefixLength > bits(address.version)) {
    throw new EngineError('InvalidArgument', `invalid CIDR address: ${text}`, { layer: 'network' });
  }
  return { cidr: cidrOf(address, prefixLength), address };
}

export function cidrOf(address: IpAddress, prefixLength: number): Cidr {
  const host = BigInt(bits(address.version) - prefixLength);
  return { version: address.version, base: (address.value >> host) << host, prefixLength };
}

export function formatCidr({ version, base, prefixLength }: Cidr): string {
  return `${formatIp({ version, value: base })}/${prefixLength}`;
}

/** The number of addresses in a subnet. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(bits(cidr.version) - cidr.prefixLength);
}

export function contains(cidr: Cidr, address: IpAddress): boolean {
  return address.version === cidr.version && address.value >= cidr.base && address.value < cidr.base + cidrSize(cidr);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.version === b.version && a.base < b.base + cidrSize(b) && b.base < a.base + cidrSize(a);
}

/** The mask of a prefix, in network order. */
export function maskBytes(version: IpVersion, prefixLength: number): Uint8Array {
  const all = (1n << BigInt(bits(version))) - 1n;
  const host = BigInt(bits(version) - prefixLength);
  return ipBytes({ version, value: (all >> host) << host });
}
