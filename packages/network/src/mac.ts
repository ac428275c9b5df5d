// MAC addresses, locally administered. A container's follows from its IPv4 address, as Docker's did for years: when an address
// changes hands within seconds, nobody's ARP table is out of date.
import { randomBytes } from 'node:crypto';
import { type IpAddress, ipBytes } from './ip.ts';

/** 02:42 and the four bytes of the address; for IPv6 its last four. */
export function macOfAddress(address: IpAddress): string {
  return formatMac([0x02, 0x42, ...ipBytes(address).slice(-4)]);
}

/** For bridges, which have to keep one address for life. */
export function randomMac(): string {
  return formatMac([0x02, 0x42, ...randomBytes(4)]);
}

export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
}

function formatMac(bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
