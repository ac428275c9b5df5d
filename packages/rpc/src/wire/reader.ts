// Reads protobuf's wire format. Input comes from other programs: whatever it holds, the reader stays inside it and ends, with a
// value or with InvalidArgument.
import { EngineError } from '@berth/errdefs/engine-error';
import { WIRE_FIXED32, WIRE_FIXED64, WIRE_LENGTH, WIRE_VARINT } from './writer.ts';

const TWO_32 = 0x1_0000_0000;
const GROUP_START = 3;

/** A position in a message's bytes, which moves on with each value read. */
export class Reader {
  /** Where the next byte is read. */
  position = 0;
  /** Where the message at hand ends. */
  end: number;
  readonly #buffer: Buffer;
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = this.#buffer.length;
  }

  /** The next field's number and wire type, or 0 at the end of the message. */
  tag(): number {
    if (this.position >= this.end) return 0;
    const tag = this.uint32();
    if (tag >>> 3 === 0) throw malformed('a field has the number 0');
    return tag;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= this.end) throw malformed('it ends inside a number');
      const byte = this.#buffer[this.position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 64) high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed('a number has more than ten bytes');
  }

  uint32(): number {
    const byte = this.#buffer[this.position];
    if (byte !== undefined && byte < 0x80 && this.position < this.end) {
      this.position++;
      return byte;
    }
    this.#varint();
    return this.#low;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  /** Beyond ±2^53 the nearest number. */
  int64(): number {
    this.#varint();
    return (this.#high | 0) * TWO_32 + this.#low;
  }

  uint64(): bigint {
    this.#varint();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  double(): number {
    const at = this.#advance(8);
    return this.#buffer.readDoubleLE(at);
  }

  string(): string {
    const size = this.uint32();
    const at = this.#advance(size);
    return this.#buffer.toString('utf8', at, at + size);
  }

  /** A view of the input, not a copy. */
  bytes(): Uint8Array {
    const size = this.uint32();
    const at = this.#advance(size);
    return this.#buffer.subarray(at, at + size);
  }

  /** Reads a length-delimited part by `body`, which sees its end as the end. */
  nested<T>(body: (reader: this) => T): T {
    const size = this.uint32();
    const start = this.#advance(size);
    const outer = this.end;
    this.position = start;
    this.end = start + size;
    const value = body(this);
    this.position = this.end;
    this.end = outer;
    return value;
  }

  /** Passes over a field that nobody here knows. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.#varint();
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_LENGTH:
        this.#advance(this.uint32());
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      default:
        throw malformed((tag & 7) === GROUP_START ? 'it holds a group, which proto3 has not' : `it holds wire type ${tag & 7}`);
    }
  }

  #advance(size: number): number {
    const at = this.position;
    if (size > this.end - at) throw malformed('it ends inside a field');
    this.position = at + size;
    return at;
  }
}

function malformed(what: string): EngineError {
  return new EngineError('InvalidArgument', `malformed protobuf message: ${what}`);
}
