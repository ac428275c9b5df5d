// HPACK's Huffman code (RFC 7541, section 5.2). It is canonical: the lengths of appendix B say all of it.
import { ErrorCode, Violation } from './frames.ts';

const EOS = 256;
const LONGEST = 30;
/** Codes of up to so many bits, which printable text consists of, are found by one look. */
const SHORT = 8;

/** Bits of the code of each octet, and of the end of the string. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10,
  12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
  7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22,
  23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
  23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
  24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** Octets in the order of their codes. */
const symbols = new Uint16Array(EOS + 1);
/** Of each length: the first code beyond it, moved to the top of 32 bits, and the place of its code 0 in `symbols`. */
const limits = new Float64Array(LONGEST + 1);
const bases = new Int32Array(LONGEST + 1);
/** By the next eight bits: the octet and the length of its code, or 0 for a longer one. */
const short = new Uint16Array(1 << SHORT);

let code = 0;
let placed = 0;
for (let length = 1; length <= LONGEST; length++) {
  code <<= 1;
  bases[length] = placed - code;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    if (LENGTHS[symbol] !== length) continue;
    symbols[placed++] = symbol;
    if (length <= SHORT) short.fill((symbol << 4) | length, code << (SHORT - length), (code + 1) << (SHORT - length));
    code++;
  }
  limits[length] = code * 2 ** (32 - length);
}

/** The string behind `bytes`, one character an octet. */
export function unhuffman(bytes: Uint8Array, from: number, to: number): string {
  // The shortest code has five bits.
  const text = Buffer.allocUnsafe(Math.floor(((to - from) * 8) / 5));
  let length = 0;
  const end = to * 8;
  for (let bit = from * 8; bit < end; ) {
    const ahead = window(bytes, bit, to);
    const quick = short[ahead >>> (32 - SHORT)] as number;
    let size = quick & 0xf;
    let symbol = quick >>> 4;
    if (size === 0) {
      size = SHORT + 1;
      while (ahead >= (limits[size] as number)) size++;
      symbol = symbols[(bases[size] as number) + (ahead >>> (32 - size))] as number;
    }
    if (bit + size > end) {
      // The last octet is filled up with ones, of which there are fewer than eight; `window` sees ones beyond the end.
      if (end - bit < 8 && ahead === 0xffffffff) break;
      throw new Violation(ErrorCode.compression, 'a Huffman string that ends inside a code');
    }
    if (symbol === EOS) throw new Violation(ErrorCode.compression, 'a Huffman string with an end inside');
    text[length++] = symbol;
    bit += size;
  }
  return text.toString('latin1', 0, length);
}

/** 32 bits from `bit` on. */
function window(bytes: Uint8Array, bit: number, end: number): number {
  const at = bit >>> 3;
  const shift = bit & 7;
  const octet = (index: number) => (index < end ? (bytes[index] as number) : 0xff);
  const four = (octet(at) << 24) | (octet(at + 1) << 16) | (octet(at + 2) << 8) | octet(at + 3);
  return (shift === 0 ? four : (four << shift) | (octet(at + 4) >>> (8 - shift))) >>> 0;
}
