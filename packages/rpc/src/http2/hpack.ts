// HPACK (RFC 7541): the header fields of a peer's requests, and fields for it. What is sent here uses no dynamic table, so that a
// block can be made once and sent on every connection.
import { ErrorCode, Violation } from './frames.ts';
import { unhuffman } from './huffman.ts';

/** Octets of all fields of a block, each counted with 32 more (RFC 9113, section 6.5.2). */
export const MAX_HEADER_LIST = 65_536;
/** SETTINGS_HEADER_TABLE_SIZE as nobody changes it here. */
const TABLE_SIZE = 4096;
/** An entry's octets beside name and value (section 4.1). */
const ENTRY = 32;
/** Strings that are kept with what they stand for: each new client of a kind sends the same ones. */
const KEPT_STRINGS = 256;
const LONGEST_KEPT = 96;

/** In front of the first block that a connection sends: this side's dynamic table stays empty (section 6.3). */
export const NO_TABLE = Buffer.from([0x20]);

interface Entry {
  readonly name: string;
  readonly value: string;
}

/** Appendix A. */
const STATIC: readonly Entry[] =
  `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept
access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|content-language|content-length
content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range
if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server
set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`
    .split(/[|\n]/)
    .map((line) => {
      const [name = '', ...value] = line.split(' ');
      return { name, value: value.join(' ') };
    });

const kept = new Map<string, string>();

/** What one peer's blocks refer to. After a Violation it is out of step with the peer. */
export class HeaderDecoder {
  /** The newest entry last. */
  readonly #table: Entry[] = [];
  #size = 0;
  #limit = TABLE_SIZE;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Names and values in turns. */
  decode(block: Buffer): string[] {
    const fields: string[] = [];
    let size = 0;
    this.#block = block;
    this.#at = 0;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw malformed('a table size behind a field');
        this.#resize(this.#integer(5));
        continue;
      }
      const { name, value } = first & 0x80 ? this.#entry(this.#integer(7)) : this.#literal(first);
      size += name.length + value.length + ENTRY;
      // A few octets can stand for a megabyte of fields.
      if (size > MAX_HEADER_LIST) throw new Violation(ErrorCode.calm, `more than ${MAX_HEADER_LIST} bytes of header fields`);
      fields.push(name, value);
    }
    return fields;
  }

  /** Section 6.2. */
  #literal(first: number): Entry {
    const indexed = (first & 0x40) !== 0;
    const index = this.#integer(indexed ? 6 : 4);
    const name = index > 0 ? this.#entry(index).name : this.#string();
    if (index === 0 && !/^:?[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new Violation(ErrorCode.protocol, 'a malformed field name');
    const value = this.#string();
    if (/[\0\r\n]/.test(value)) throw new Violation(ErrorCode.protocol, `a malformed value of ${name}`);
    const entry = { name, value };
    if (indexed) {
      this.#size += name.length + value.length + ENTRY;
      this.#table.push(entry);
      this.#evict();
    }
    return entry;
  }

  #entry(index: number): Entry {
    const entry = index <= STATIC.length ? STATIC[index - 1] : this.#table[this.#table.length - (index - STATIC.length)];
    if (!entry) throw malformed(`no entry ${index}`);
    return entry;
  }

  #resize(limit: number): void {
    if (limit > TABLE_SIZE) throw malformed(`a table of ${limit} bytes`);
    this.#limit = limit;
    this.#evict();
  }

  #evict(): void {
    while (this.#size > this.#limit) {
      const { name, value } = this.#table.shift() as Entry;
      this.#size -= name.length + value.length + ENTRY;
    }
  }

  /** Section 5.1. */
  #integer(bits: number): number {
    const most = (1 << bits) - 1;
    let value = (this.#block[this.#at++] ?? 0) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const octet = this.#block[this.#at++];
      if (octet === undefined) throw malformed('a block that ends inside a number');
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw malformed('a number beyond all limits');
  }

  /** Section 5.2. */
  #string(): string {
    const huffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    if (this.#at >= this.#block.length) throw malformed('a block that ends before a string');
    const length = this.#integer(7);
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#block.length) throw malformed('a block that ends inside a string');
    const raw = this.#block.toString('latin1', from, this.#at);
    if (!huffman) return raw;
    const known = kept.get(raw);
    if (known !== undefined) return known;
    const text = unhuffman(this.#block, from, this.#at);
    if (length <= LONGEST_KEPT) {
      if (kept.size === KEPT_STRINGS) kept.clear();
      kept.set(raw, text);
    }
    return text;
  }
}

/** A field as a literal that goes into no table (section 6.2.2); names are in lower case. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  let rest = bytes.length - 0x7f;
  if (rest < 0) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [0x7f];
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.of(...length, rest), bytes]);
}

function malformed(what: string): Violation {
  return new Violation(ErrorCode.compression, what);
}
