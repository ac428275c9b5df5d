// The bytes of netlink: a message header, a family's own header, and attributes that nest (netlink(7), rtnetlink(7)).
// Everything is padded to four bytes. Headers are in the machine's byte order, which is little-endian wherever Berth runs;
// rtnetlink's attributes are too, nftables' are big-endian: hence the two sorts of number.

/** One encoded attribute, its padding included. */
export type Attribute = Uint8Array;

const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const encoder = new TextEncoder();

function padded(length: number): number {
  return (length + 3) & ~3;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One attribute: length, type, the payload as it is, and zeros up to four bytes. */
export function attribute(type: number, payload: Uint8Array): Attribute {
  const bytes = new Uint8Array(padded(ATTRIBUTE_HEADER + payload.length));
  const header = view(bytes);
  header.setUint16(0, ATTRIBUTE_HEADER + payload.length, true);
  header.setUint16(2, type, true);
  bytes.set(payload, ATTRIBUTE_HEADER);
  return bytes;
}

/** A 32-bit number in the machine's byte order. */
export function u32(type: number, value: number): Attribute {
  const payload = new Uint8Array(4);
  view(payload).setUint32(0, value >>> 0, true);
  return attribute(type, payload);
}

/** A 32-bit number in network byte order. */
export function be32(type: number, value: number): Attribute {
  const payload = new Uint8Array(4);
  view(payload).setUint32(0, value >>> 0, false);
  return attribute(type, payload);
}

/** A string with its terminating NUL. */
export function text(type: number, value: string): Attribute {
  return attribute(type, encoder.encode(`${value}\0`));
}

/** Attributes inside an attribute, with the flag that says so. */
export function nested(type: number, ...attributes: Attribute[]): Attribute {
  return attribute(type | NLA_F_NESTED, concat(attributes));
}

/** Parts one after the other; whoever made them has padded them. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  /** The family's header and the attributes. */
  payload: Uint8Array;
}

/** A message as it goes into a datagram, padded. */
export function encodeMessage(message: Message): Uint8Array {
  const length = HEADER + message.payload.length;
  const bytes = new Uint8Array(padded(length));
  const header = view(bytes);
  header.setUint32(0, length, true);
  header.setUint16(4, message.type, true);
  header.setUint16(6, message.flags, true);
  header.setUint32(8, message.sequence, true);
  bytes.set(message.payload, HEADER);
  return bytes;
}

/** The messages of one datagram; a torn last one (which the kernel never sends) ends the list. */
export function decodeMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  const data = view(bytes);
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const length = data.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) break;
    messages.push({
      type: data.getUint16(at + 4, true),
      flags: data.getUint16(at + 6, true),
      sequence: data.getUint32(at + 8, true),
      payload: bytes.subarray(at + HEADER, at + length),
    });
    at += padded(length);
  }
  return messages;
}

/** Attributes by type, the flag bits of the type taken off; the last one of a type wins. Torn ones end the map. */
export function decodeAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  const data = view(bytes);
  let at = 0;
  while (at + ATTRIBUTE_HEADER <= bytes.length) {
    const length = data.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > bytes.length) break;
    attributes.set(data.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += padded(length);
  }
  return attributes;
}

/** A string attribute up to its NUL; '' for none. */
export function readText(payload: Uint8Array | undefined): string {
  if (payload === undefined) return '';
  const end = payload.indexOf(0);
  return new TextDecoder().decode(end < 0 ? payload : payload.subarray(0, end));
}

/** A 32-bit number in the machine's byte order; undefined for none. */
export function readU32(payload: Uint8Array | undefined): number | undefined {
  return payload === undefined || payload.length < 4 ? undefined : view(payload).getUint32(0, true);
}
