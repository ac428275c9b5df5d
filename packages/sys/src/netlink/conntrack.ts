// Connection tracking's table (linux/netfilter/nfnetlink_conntrack.h): which flows the kernel translates, and forgetting some of them.
// A UDP "connection" lives as long as its client keeps talking, also when the redirection that it was made by is gone.
import { attribute, concat, decodeAttributes } from './codec.ts';
import type { NetlinkSocket, Request } from './socket.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const NLA_F_NESTED = 0x8000;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const NFGENMSG = 4;

/** Forgets every flow of a protocol (its IP number) whose first packet was for one of the ports; returns how many. */
export function forgetFlows(socket: NetlinkSocket, family: number, protocol: number, ports: ReadonlySet<number>): number {
  const header = Uint8Array.of(family, 0, 0, 0);
  const request = (message: number, payload: Uint8Array, what: string): Request => ({
    type: (NFNL_SUBSYS_CTNETLINK << 8) | message,
    flags: 0,
    payload,
    what,
  });
  const found: Request[] = [];
  for (const { payload } of socket.dump(request(IPCTNL_MSG_CT_GET, header, 'list flows'))) {
    const tuple = decodeAttributes(payload.subarray(NFGENMSG)).get(CTA_TUPLE_ORIG);
    const proto = tuple && decodeAttributes(tuple).get(CTA_TUPLE_PROTO);
    if (!tuple || !proto) continue;
    const fields = decodeAttributes(proto);
    const port = fields.get(CTA_PROTO_DST_PORT);
    if (fields.get(CTA_PROTO_NUM)?.[0] !== protocol || !port || !ports.has(((port[0] ?? 0) << 8) | (port[1] ?? 0))) continue;
    // A flow is named by the tuple of its first packet, handed back as it came. It may have ended meanwhile.
    const body = concat([header, attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple)]);
    found.push({ ...request(IPCTNL_MSG_CT_DELETE, body, 'forget flow'), tolerate: ['ENOENT'] });
  }
  // Few at a time: their acknowledgements wait in a socket buffer of limited size.
  for (let i = 0; i < found.length; i += 64) socket.transact(found.slice(i, i + 64));
  return found.length;
}
