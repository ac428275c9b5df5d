// The 512-byte header block: ustar's fields (POSIX.1-2001 pax, "ustar Interchange Format"), v7's and GNU's variants of them.
import { EngineError } from '@berth/errdefs/engine-error';

export const BLOCK = 512;

/** Type flags that do not become members themselves. */
export const FLAG = { paxLocal: 'x', paxGlobal: 'g', gnuLongName: 'L', gnuLongLink: 'K', gnuSparse: 'S' } as const;

export interface Header {
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  seconds: number;
  flag: string;
  linkName: string;
  userName: string;
  groupName: string;
  major: number;
  minor: number;
}

/** Undefined for a block of zeros, which ends an archive. `offset` is where the block begins. */
export function readHeader(block: Buffer, offset: number): Header | undefined {
  const stored = number(block, offset + 148, 8);
  const { unsigned, signed } = checksums(block, offset);
  if (stored !== unsigned && stored !== signed) {
    // Eight spaces count for the checksum itself.
    if (unsigned === 8 * 32) return undefined;
    throw malformed('invalid tar header: its checksum does not match');
  }
  const magic = block.toString('latin1', offset + 257, offset + 265);
  const ustar = magic === 'ustar\x0000';
  const gnu = magic === 'ustar  \0';
  const prefix = ustar ? text(block, offset + 345, 155) : '';
  const name = text(block, offset, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    mode: number(block, offset + 100, 8),
    uid: number(block, offset + 108, 8),
    gid: number(block, offset + 116, 8),
    size: number(block, offset + 124, 12),
    seconds: number(block, offset + 136, 12),
    flag: block.toString('latin1', offset + 156, offset + 157),
    linkName: text(block, offset + 157, 100),
    userName: ustar || gnu ? text(block, offset + 265, 32) : '',
    groupName: ustar || gnu ? text(block, offset + 297, 32) : '',
    major: ustar || gnu ? number(block, offset + 329, 8) : 0,
    minor: ustar || gnu ? number(block, offset + 337, 8) : 0,
  };
}

/** GNU's old sparse format keeps (offset, length) pairs in the header: four here, 21 in each block that follows. */
export function readOldSparseMap(
  block: Buffer,
  offset: number,
  count: number,
): { map: { offset: number; length: number }[]; more: boolean } {
  const map: { offset: number; length: number }[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + index * 24;
    if (block[at] === 0) break;
    map.push({ offset: number(block, at, 12), length: number(block, at + 12, 12) });
  }
  return { map, more: block[offset + count * 24] === 1 };
}

/** A file's size where GNU's old sparse format stores it; the size field counts only what is in the archive. */
export function readOldSparseSize(block: Buffer, offset: number): number {
  return number(block, offset + 483, 12);
}

function checksums(block: Buffer, offset: number): { unsigned: number; signed: number } {
  let unsigned = 8 * 32;
  let high = 0;
  for (let at = offset; at < offset + 148; at++) {
    const byte = block[at] as number;
    unsigned += byte;
    high += byte >> 7;
  }
  for (let at = offset + 156; at < offset + BLOCK; at++) {
    const byte = block[at] as number;
    unsigned += byte;
    high += byte >> 7;
  }
  // Some ancient tars summed signed characters.
  return { unsigned, signed: unsigned - 256 * high };
}

function text(block: Buffer, start: number, length: number): string {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return block.toString('latin1', start, end);
}

/** An octal field, or a base-256 one when its first bit is set (GNU, for what octal cannot hold). */
function number(block: Buffer, start: number, length: number): number {
  const first = block[start] as number;
  if (first & 0x80) {
    const negative = (first & 0x40) !== 0;
    let value = negative ? (first & 0x7f) - 0x80 : first & 0x7f;
    for (let at = start + 1; at < start + length; at++) value = value * 256 + (block[at] as number);
    if (!Number.isSafeInteger(value)) throw malformed('invalid tar header: a number is too large');
    return value;
  }
  let value = 0;
  let at = start;
  const end = start + length;
  while (at < end && block[at] === 0x20) at++;
  for (; at < end; at++) {
    const byte = block[at] as number;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw malformed('invalid tar header: a field is not octal');
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

const OCTAL_MAX = { 8: 0o7777777, 12: 0o77777777777 };

/** Whether a number can be written in an octal field of that width. */
export function fitsOctal(value: number, width: 8 | 12): boolean {
  return Number.isInteger(value) && value >= 0 && value <= OCTAL_MAX[width];
}

/** Writes a ustar header; the caller has put into pax records what does not fit, and passes 0 or a cut text for it. */
export function writeHeader(header: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(header.name.slice(0, 100), 0, 'latin1');
  octal(block, 100, 8, header.mode);
  octal(block, 108, 8, header.uid);
  octal(block, 116, 8, header.gid);
  octal(block, 124, 12, header.size);
  octal(block, 136, 12, header.seconds);
  block.fill(0x20, 148, 156);
  block.write(header.flag, 156, 'latin1');
  block.write(header.linkName.slice(0, 100), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(header.userName.slice(0, 32), 265, 'latin1');
  block.write(header.groupName.slice(0, 32), 297, 'latin1');
  octal(block, 329, 8, header.major);
  octal(block, 337, 8, header.minor);
  block.write(`${checksums(block, 0).unsigned.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(block: Buffer, start: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), start, 'latin1');
}

export function malformed(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'lifecycle' });
}
