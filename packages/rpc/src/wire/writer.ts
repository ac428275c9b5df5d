// Writes protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) into one growing buffer. Used by the generated
// code of every Berth process, shims included, so it loads in no time and keeps nothing.

/** The wire types in use. */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_LENGTH = 2;
export const WIRE_FIXED32 = 5;

const TWO_32 = 0x1_0000_0000;

/** Bytes of a message in the making. For one message; `finish` gives them. */
export class Writer {
  #buffer: Buffer;
  #length = 0;

  constructor(sizeHint = 128) {
    this.#buffer = Buffer.allocUnsafe(sizeHint);
  }

  /** Room for `size` more bytes; returns where they start. */
  #reserve(size: number): number {
    const needed = this.#length + size;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    return this.#length;
  }

  /** An unsigned varint of up to 32 bits: tags, lengths, uint32, enum values. */
  uint32(value: number): this {
    let at = this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[at++] = rest;
    this.#length = at;
    return this;
  }

  /** Negative values take ten bytes: protobuf extends their sign to 64 bits. */
  int32(value: number): this {
    return value < 0 ? this.uint64(BigInt.asUintN(64, BigInt(value))) : this.uint32(value);
  }

  /** A whole number within ±2^53. */
  int64(value: number): this {
    if (value < 0) return this.uint64(BigInt.asUintN(64, BigInt(value)));
    return this.#halves(value % TWO_32, Math.floor(value / TWO_32));
  }

  uint64(value: bigint): this {
    return this.#halves(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }

  #halves(low: number, high: number): this {
    let at = this.#reserve(10);
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi > 0) {
      this.#buffer[at++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    while (lo > 0x7f) {
      this.#buffer[at++] = (lo & 0x7f) | 0x80;
      lo >>>= 7;
    }
    this.#buffer[at++] = lo;
    this.#length = at;
    return this;
  }

  bool(value: boolean): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value ? 1 : 0;
    this.#length = at + 1;
    return this;
  }

  double(value: number): this {
    const at = this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, at);
    return this;
  }

  string(value: string): this {
    const size = Buffer.byteLength(value);
    this.uint32(size);
    const at = this.#reserve(size);
    this.#buffer.write(value, at, 'utf8');
    this.#length = at + size;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length);
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    this.#length = at + value.length;
    return this;
  }

  /** A length-delimited part whose length is known once `body` has written it. */
  nested(body: (writer: this) => void): this {
    const lengthAt = this.#reserve(1);
    this.#length = lengthAt + 1;
    body(this);
    const size = this.#length - lengthAt - 1;
    if (size < 0x80) {
      this.#buffer[lengthAt] = size;
      return this;
    }
    // The length needs more than the one byte kept for it: move the part up, which is rare and small.
    const width = size < 0x4000 ? 2 : size < 0x20_0000 ? 3 : size < 0x1000_0000 ? 4 : 5;
    this.#reserve(width - 1);
    this.#buffer.copyWithin(lengthAt + width, lengthAt + 1, lengthAt + 1 + size);
    this.#length = lengthAt;
    this.uint32(size);
    this.#length = lengthAt + width + size;
    return this;
  }

  /** What was written, as a view of the writer's buffer: the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
