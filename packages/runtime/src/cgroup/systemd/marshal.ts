// Values of D-Bus in their wire form, little-endian, led by a signature (D-Bus specification, "Marshaling"). Pure functions.
//
// What a type holds: y u number; t x bigint; b boolean; s o g string; a Array (of bytes: Uint8Array too); ( and { Array; v [signature, value].

interface Type {
  code: string;
  /** Of an array its one element, of a struct its fields. */
  of: Type[];
}

const ALIGNMENTS: Record<string, number> = { y: 1, b: 4, i: 4, u: 4, x: 8, t: 8, s: 4, o: 4, g: 1, a: 4, '(': 8, '{': 8, v: 1 };

export function marshal(signature: string, values: readonly unknown[]): Buffer {
  const writer = new Writer();
  for (const [index, type] of types(signature).entries()) writer.value(type, values[index]);
  return writer.bytes();
}

/** `bytes` begins where the first value does, which is a multiple of eight in its message. */
export function unmarshal(signature: string, bytes: Buffer): unknown[] {
  const reader = new Reader(bytes);
  return types(signature).map((type) => reader.value(type));
}

function types(signature: string): Type[] {
  let at = 0;
  const next = (): Type => {
    const code = signature[at++] ?? '';
    if (code === 'a') return { code, of: [next()] };
    if (code !== '(' && code !== '{') {
      if (!(code in ALIGNMENTS)) throw new Error(`the D-Bus signature ${signature} has the unknown type ${code}`);
      return { code, of: [] };
    }
    const of: Type[] = [];
    while (signature[at] !== ')' && signature[at] !== '}') of.push(next());
    at++;
    return { code, of };
  };
  const all: Type[] = [];
  while (at < signature.length) all.push(next());
  return all;
}

const alignmentOf = ({ code }: Type) => ALIGNMENTS[code] as number;

class Writer {
  #bytes = Buffer.alloc(256);
  #at = 0;

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  value(type: Type, value: unknown): void {
    this.#align(alignmentOf(type));
    switch (type.code) {
      case 'y':
        this.#u8(value as number);
        break;
      case 'b':
        this.#u32(value ? 1 : 0);
        break;
      case 'i':
      case 'u':
        this.#u32((value as number) >>> 0);
        break;
      case 'x':
      case 't':
        this.#room(8).writeBigUInt64LE(BigInt.asUintN(64, value as bigint), this.#at);
        this.#at += 8;
        break;
      case 's':
      case 'o':
        this.#u32(Buffer.byteLength(value as string));
        this.#text(value as string);
        break;
      case 'g':
        this.#u8((value as string).length);
        this.#text(value as string);
        break;
      case 'v': {
        const [signature, content] = value as [string, unknown];
        this.value({ code: 'g', of: [] }, signature);
        for (const inner of types(signature)) this.value(inner, content);
        break;
      }
      case 'a':
        this.#array(type.of[0] as Type, value as Iterable<unknown>);
        break;
      default:
        for (const [index, field] of type.of.entries()) this.value(field, (value as unknown[])[index]);
    }
  }

  /** The length counts neither itself nor the gap before the first element. */
  #array(element: Type, values: Iterable<unknown>): void {
    const lengthAt = this.#at;
    this.#u32(0);
    this.#align(alignmentOf(element));
    const start = this.#at;
    for (const value of values) this.value(element, value);
    this.#bytes.writeUInt32LE(this.#at - start, lengthAt);
  }

  #u8(value: number): void {
    this.#room(1).writeUInt8(value, this.#at);
    this.#at += 1;
  }

  #u32(value: number): void {
    this.#room(4).writeUInt32LE(value, this.#at);
    this.#at += 4;
  }

  #text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#room(length + 1).write(value, this.#at);
    this.#bytes[this.#at + length] = 0;
    this.#at += length + 1;
  }

  #align(alignment: number): void {
    const gap = -this.#at & (alignment - 1);
    this.#room(gap).fill(0, this.#at, this.#at + gap);
    this.#at += gap;
  }

  #room(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length + length)]);
    return this.#bytes;
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  value(type: Type): unknown {
    this.#at += -this.#at & (alignmentOf(type) - 1);
    switch (type.code) {
      case 'y':
        return this.#bytes.readUInt8(this.#at++);
      case 'b':
        return this.#u32() !== 0;
      case 'i':
        return this.#u32() | 0;
      case 'u':
        return this.#u32();
      case 'x':
      case 't':
        this.#at += 8;
        return type.code === 't' ? this.#bytes.readBigUInt64LE(this.#at - 8) : this.#bytes.readBigInt64LE(this.#at - 8);
      case 's':
      case 'o':
        return this.#text(this.#u32());
      case 'g':
        return this.#text(this.#bytes.readUInt8(this.#at++));
      case 'v': {
        const signature = this.value({ code: 'g', of: [] }) as string;
        return [signature, ...types(signature).map((inner) => this.value(inner))];
      }
      case 'a': {
        const length = this.#u32();
        const element = type.of[0] as Type;
        this.#at += -this.#at & (alignmentOf(element) - 1);
        const values: unknown[] = [];
        for (const end = this.#at + length; this.#at < end; ) values.push(this.value(element));
        return values;
      }
      default:
        return type.of.map((field) => this.value(field));
    }
  }

  #u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  #text(length: number): string {
    this.#at += length + 1;
    return this.#bytes.toString('utf8', this.#at - length - 1, this.#at - 1);
  }
}
