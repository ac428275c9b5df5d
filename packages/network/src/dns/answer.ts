// What the name server says by itself, message in, message out (RFC 1035). Questions that are none of its business have no answer
// here and go upstream as they came.
import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet';
import { formatIp } from '../ip.ts';
import type { Names } from './names.ts';

/** Seconds; Docker's too. */
const TTL = 600;
const RESPONSE_FLAGS = 0x0080; // recursion available
const SERVER_FAILURE = 2;
const FORMAT_ERROR = 1;
/** What fits a datagram that has not asked for more (RFC 1035, 4.2.1). */
const UDP_LIMIT = 512;
const TRUNCATED = 0x0200;

/** The answer, 'forward' for a question that others have to answer, undefined for what is not a question at all. */
export function answer(query: Buffer, names: Names, transport: 'udp' | 'tcp'): Buffer | 'forward' | undefined {
  let packet: DecodedPacket;
  try {
    packet = decode(query);
  } catch {
    return query.length >= 12 ? failure(query, FORMAT_ERROR) : undefined;
  }
  const question = packet.questions?.[0];
  if (packet.type !== 'query' || !question) return undefined;
  const records = own(question.name, question.type, names);
  if (records === undefined) return names.external ? 'forward' : failure(query, SERVER_FAILURE);
  const flags = RESPONSE_FLAGS | (packet.flag_rd ? 0x0100 : 0);
  const response = { type: 'response' as const, id: packet.id, flags, questions: [question] };
  const whole = encode({ ...response, answers: records });
  if (transport === 'tcp' || whole.length <= UDP_LIMIT) return whole;
  return encode({ ...response, flags: flags | TRUNCATED });
}

/** The same message back with an error code and no records. */
export function failure(query: Buffer, code: number = SERVER_FAILURE): Buffer {
  const response = Buffer.from(query.subarray(0, 12));
  response[2] = ((response[2] ?? 0) & 0x01) | 0x80;
  response[3] = 0x80 | code;
  response.fill(0, 4, 12);
  return response;
}

function own(name: string, type: string, names: Names): Answer[] | undefined {
  if (type === 'PTR') {
    const address = addressOfPointer(name);
    const target = address === undefined ? undefined : names.reverse(address);
    return target === undefined ? undefined : [{ type: 'PTR', name, ttl: TTL, data: target }];
  }
  if (type !== 'A' && type !== 'AAAA') {
    // The name is ours: there is no such record, and nobody else knows of one.
    return names.lookup(name, 4) === undefined ? undefined : [];
  }
  const addresses = names.lookup(name, type === 'A' ? 4 : 6);
  return addresses?.map((data) => ({ type, name, ttl: TTL, data }));
}

/** 172.17.0.2 of 2.0.17.172.in-addr.arpa, and likewise for ip6.arpa (RFC 3596). */
export function addressOfPointer(name: string): string | undefined {
  const lower = name.toLowerCase();
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(lower);
  if (v4) return `${v4[4]}.${v4[3]}.${v4[2]}.${v4[1]}`;
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(lower);
  if (!v6?.[1]) return undefined;
  const digits = v6[1].split('.').reverse().join('');
  return formatIp({ version: 6, value: BigInt(`0x${digits}`) });
}
