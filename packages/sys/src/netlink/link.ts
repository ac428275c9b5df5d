// rtnetlink's links: bridges, veth pairs, their flags and ports (rtnetlink(7), IFLA_* of linux/if_link.h).
import { type Attribute, attribute, concat, decodeAttributes, nested, readText, readU32, text, u32 } from './codec.ts';
import { type NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL, type Request } from './socket.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;

/** The loopback is the first device of every namespace. */
export const LOOPBACK_INDEX = 1;

/** struct ifinfomsg; `flags` are set where `change` has bits. */
function ifinfomsg(index: number, flags: number, change: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const data = new DataView(bytes.buffer);
  data.setInt32(4, index, true);
  data.setUint32(8, flags, true);
  data.setUint32(12, change, true);
  return bytes;
}

export interface Link {
  index: number;
  name: string;
  up: boolean;
  /** The index of the bridge it is a port of; 0 for none. */
  master: number;
  mtu: number;
  /** 02:42:…; '' for devices without. */
  macAddress: string;
  /** bridge, veth, …; '' for hardware. */
  kind: string;
}

/** A bridge, up. With a set address it keeps it; without, it takes the lowest of its ports' and changes as they come and go. */
export function createBridge(name: string, options: { macAddress: string; mtu: number }): Request {
  const body = concat([
    ifinfomsg(0, IFF_UP, IFF_UP),
    text(IFLA_IFNAME, name),
    attribute(IFLA_ADDRESS, macBytes(options.macAddress)),
    u32(IFLA_MTU, options.mtu),
    nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, 'bridge')),
  ]);
  return { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: body, what: `create bridge ${name}` };
}

export interface VethPair {
  name: string;
  /** The interface numbers of the two ends; they let one batch go on with an end that it has just made. 0 lets the kernel choose. */
  index: number;
  /** The bridge that the near end becomes a port of; 0 for none. */
  master: number;
  mtu: number;
  peer: { name: string; index: number; macAddress: string; namespaceFd: number };
}

/**
 * A veth pair whose far end is born in another namespace: no move between namespaces afterwards, which would cost milliseconds
 * of RCU grace periods. The far end is left down: veth refuses to open an end (ENOTCONN) before the two are tied together.
 * EEXIST: one of the names is taken in its namespace; EBUSY: one of the numbers is.
 */
export function createVeth(pair: VethPair): Request {
  const peer = concat([
    ifinfomsg(pair.peer.index, 0, 0),
    text(IFLA_IFNAME, pair.peer.name),
    attribute(IFLA_ADDRESS, macBytes(pair.peer.macAddress)),
    u32(IFLA_MTU, pair.mtu),
    u32(IFLA_NET_NS_FD, pair.peer.namespaceFd),
  ]);
  const body = concat([
    ifinfomsg(pair.index, IFF_UP, IFF_UP),
    text(IFLA_IFNAME, pair.name),
    u32(IFLA_MTU, pair.mtu),
    u32(IFLA_MASTER, pair.master),
    nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, 'veth'), nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer))),
  ]);
  return { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: body, what: `create veth ${pair.name}` };
}

/** The link of an index up: addresses and routes can be used. */
export function setLinkUp(index: number): Request {
  return { type: RTM_NEWLINK, flags: 0, payload: ifinfomsg(index, IFF_UP, IFF_UP), what: `set link ${index} up` };
}

/** The link of an index down: its routes go, its name may be changed. */
export function setLinkDown(index: number): Request {
  return { type: RTM_NEWLINK, flags: 0, payload: ifinfomsg(index, 0, IFF_UP), what: `set link ${index} down` };
}

/** Into another namespace under another name, as one step; the link must be down to be renamed. */
export function moveLink(index: number, name: string, namespaceFd: number): Request {
  const payload = concat([ifinfomsg(index, 0, 0), text(IFLA_IFNAME, name), u32(IFLA_NET_NS_FD, namespaceFd)]);
  return { type: RTM_NEWLINK, flags: 0, payload, what: `move link ${index} to another namespace as ${name}` };
}

/** A link by name; of a veth pair the other end goes too. ENODEV when there is none. */
export function deleteLink(name: string): Request {
  const payload = concat([ifinfomsg(0, 0, 0), text(IFLA_IFNAME, name)]);
  return { type: RTM_DELLINK, flags: 0, payload, what: `delete link ${name}` };
}

/** The link of a name, or undefined. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  const attributes: Attribute[] = [text(IFLA_IFNAME, name)];
  try {
    const payload = concat([ifinfomsg(0, 0, 0), ...attributes]);
    return decodeLink(socket.get({ type: RTM_GETLINK, flags: 0, payload, what: `get link ${name}` }).payload);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENODEV') return undefined;
    throw error;
  }
}

/** All links of the socket's namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const request = { type: RTM_GETLINK, flags: 0, payload: ifinfomsg(0, 0, 0), what: 'list links' };
  return socket.dump(request).map((message) => decodeLink(message.payload));
}

function decodeLink(payload: Uint8Array): Link {
  const data = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload.subarray(16));
  const info = attributes.get(IFLA_LINKINFO);
  return {
    index: data.getInt32(4, true),
    name: readText(attributes.get(IFLA_IFNAME)),
    up: (data.getUint32(8, true) & IFF_UP) !== 0,
    master: readU32(attributes.get(IFLA_MASTER)) ?? 0,
    mtu: readU32(attributes.get(IFLA_MTU)) ?? 0,
    macAddress: formatMac(attributes.get(IFLA_ADDRESS)),
    kind: info ? readText(decodeAttributes(info).get(IFLA_INFO_KIND)) : '',
  };
}

/** `02:42:ac:11:00:02` as six bytes. */
export function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
}

function formatMac(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
