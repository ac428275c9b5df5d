// rtnetlink's addresses, routes and bridge forwarding entries (rtnetlink(7); linux/if_addr.h, rtnetlink.h, neighbour.h).
// Addresses are bytes in network order: 4 of them IPv4, 16 IPv6.
import { attribute, concat, decodeAttributes, readU32, u32 } from './codec.ts';
import { macBytes } from './link.ts';
import { type NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type Request } from './socket.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const AF_BRIDGE = 7;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;
const IFA_F_PERMANENT = 0x80;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RTN_UNICAST = 1;
const NDA_LLADDR = 2;
const NUD_NOARP = 0x40;
const NTF_MASTER = 0x04;

export interface InterfaceAddress {
  address: Uint8Array;
  prefixLength: number;
}

function family(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** Adds an address; one that is there already is left alone. IPv6 skips duplicate detection: the allocator owns the subnet. */
export function addAddress(index: number, address: InterfaceAddress): Request {
  const what = `add address ${address.address.join('.')}/${address.prefixLength}`;
  return { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: addressBody(index, address), what };
}

/** Takes an address away; EADDRNOTAVAIL when the interface has it not. */
export function removeAddress(index: number, address: InterfaceAddress): Request {
  const what = `remove address ${address.address.join('.')}/${address.prefixLength}`;
  return { type: RTM_DELADDR, flags: 0, payload: addressBody(index, address), what };
}

function addressBody(index: number, address: InterfaceAddress): Uint8Array {
  const ip = address.address;
  const header = new Uint8Array(8);
  header[0] = family(ip);
  header[1] = address.prefixLength;
  header[2] = ip.length === 16 ? IFA_F_NODAD : 0;
  new DataView(header.buffer).setUint32(4, index, true);
  const parts = [header, attribute(IFA_LOCAL, ip), attribute(IFA_ADDRESS, ip)];
  // A /31 or /32 has none (RFC 3021).
  if (ip.length === 4 && address.prefixLength < 31) parts.push(attribute(IFA_BROADCAST, broadcast(ip, address.prefixLength)));
  return concat(parts);
}

function broadcast(ip: Uint8Array, prefixLength: number): Uint8Array {
  return ip.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, prefixLength - i * 8))));
}

/** The default route through a gateway that is on the interface's own subnet; one that exists already stays. */
export function addDefaultRoute(index: number, gateway: Uint8Array): Request {
  const header = new Uint8Array(12);
  header.set([family(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST]);
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: concat([header, attribute(RTA_GATEWAY, gateway), u32(RTA_OIF, index)]),
    what: `add default route via ${gateway.join('.')}`,
    tolerate: ['EEXIST'],
  };
}

/** A static entry of a bridge's forwarding table: frames for a MAC leave by this port from the first one on, wherever it was before. */
export function addForwardingEntry(port: number, mac: string): Request {
  const header = new Uint8Array(12);
  const data = new DataView(header.buffer);
  header[0] = AF_BRIDGE;
  data.setInt32(4, port, true);
  data.setUint16(8, NUD_NOARP, true);
  header[10] = NTF_MASTER;
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    payload: concat([header, attribute(NDA_LLADDR, macBytes(mac))]),
    what: `add forwarding entry ${mac}`,
  };
}

export interface ConfiguredAddress extends InterfaceAddress {
  /** Somebody set it: it has no lifetime. */
  permanent: boolean;
  /** Valid beyond the link (RT_SCOPE_UNIVERSE). */
  global: boolean;
}

/** The addresses of an interface. */
export function listAddresses(socket: NetlinkSocket, index: number): ConfiguredAddress[] {
  const header = new Uint8Array(8);
  const found: ConfiguredAddress[] = [];
  for (const { payload } of socket.dump({ type: RTM_GETADDR, flags: 0, payload: header, what: 'list addresses' })) {
    const data = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    if (data.getUint32(4, true) !== index) continue;
    const attributes = decodeAttributes(payload.subarray(8));
    const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    const [permanent, global] = [(data.getUint8(2) & IFA_F_PERMANENT) !== 0, data.getUint8(3) === RT_SCOPE_UNIVERSE];
    if (address) found.push({ address, prefixLength: data.getUint8(1), permanent, global });
  }
  return found;
}

export interface Route {
  /** The destination; empty for the default route. */
  destination: Uint8Array;
  prefixLength: number;
  /** The interface it leaves by; 0 when it has none or several. */
  index: number;
  gateway?: Uint8Array;
}

/** The unicast routes of the main table. */
export function listRoutes(socket: NetlinkSocket, version: 4 | 6): Route[] {
  const header = new Uint8Array(12);
  header[0] = version === 4 ? AF_INET : AF_INET6;
  const found: Route[] = [];
  for (const { payload } of socket.dump({ type: RTM_GETROUTE, flags: 0, payload: header, what: 'list routes' })) {
    const attributes = decodeAttributes(payload.subarray(12));
    const table = readU32(attributes.get(RTA_TABLE)) ?? payload[4];
    if (table !== RT_TABLE_MAIN || payload[7] !== RTN_UNICAST) continue;
    found.push({
      destination: attributes.get(RTA_DST) ?? new Uint8Array(0),
      prefixLength: payload[1] ?? 0,
      index: readU32(attributes.get(RTA_OIF)) ?? 0,
      gateway: attributes.get(RTA_GATEWAY),
    });
  }
  return found;
}
