// A tar reader that is pushed chunks and calls back, synchronously and without copying file data: unpacking runs in a worker, where
// a stream object a member would cost more than the member. Reads ustar, v7, pax (with GNU's sparse formats 0.0, 0.1 and 1.0) and
// GNU archives. Memory is bounded: extension headers are refused above a mebibyte.
import { Buffer } from 'node:buffer';
import type { TarEntry, TarEntryType } from './entry.ts';
import { BLOCK, FLAG, type Header, malformed, readHeader, readOldSparseMap, readOldSparseSize } from './header.ts';
import { decimal, type PaxRecords, parsePaxTime, readPax, XATTR_PREFIX } from './pax.ts';
import { limit, partsInRecord, readPaxWithSparse, SparseMap, SparseMapText, type SparsePart } from './sparse.ts';

/** Receives members in order. `data` may come any number of times; its chunk must not be kept. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** Bytes of the current file that belong at `offset`: in order, and without gaps unless the file is sparse. */
  data(chunk: Buffer, offset: number): void;
  /** The current member is complete. */
  end(): void;
}

type State = 'header' | 'extension' | 'old-sparse' | 'sparse-map' | 'data' | 'padding' | 'finished';

const EXTENSION_LIMIT = 1 << 20;
const TYPES: Record<string, TarEntryType> = {
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

export class TarReader {
  readonly #sink: TarSink;
  #state: State = 'header';
  /** Bytes that a header or extension still lacks are gathered here. */
  #gathered: Buffer[] = [];
  #missing = BLOCK;
  #left = 0;
  #padding = 0;
  #header: Header | undefined;
  #globals: PaxRecords = new Map();
  #locals: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  /** Of an old GNU header, while its extension blocks are read. */
  #oldParts: SparsePart[] = [];
  #oldSize = 0;
  #mapText: SparseMapText | undefined;
  #sparse: SparseMap | undefined;
  #size = 0;
  #offset = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'data': {
          const take = Math.min(this.#left, chunk.length - at);
          this.#data(chunk.subarray(at, at + take));
          at += take;
          this.#left -= take;
          if (this.#left === 0) this.#endOfData();
          break;
        }
        case 'padding': {
          const take = Math.min(this.#padding, chunk.length - at);
          at += take;
          this.#padding -= take;
          if (this.#padding === 0) this.#expectHeader();
          break;
        }
        case 'finished':
          return;
        default: {
          // The common case, a block that lies whole in the chunk, is read in place.
          if (this.#gathered.length === 0 && chunk.length - at >= this.#missing) {
            const block = chunk.subarray(at, at + this.#missing);
            at += this.#missing;
            this.#block(block);
            break;
          }
          const take = Math.min(this.#missing, chunk.length - at);
          this.#gathered.push(Buffer.from(chunk.subarray(at, at + take)));
          at += take;
          this.#missing -= take;
          if (this.#missing === 0) {
            const block = Buffer.concat(this.#gathered);
            this.#gathered = [];
            this.#block(block);
          }
        }
      }
    }
  }

  /** After the last chunk: an archive that stops inside a member is an error; a missing end mark is not. */
  finish(): void {
    if (this.#state === 'finished') return;
    if (this.#state === 'header' && this.#gathered.length === 0 && this.#locals === undefined && this.#longName === undefined) return;
    throw malformed('unexpected end of tar archive: the layer is truncated');
  }

  #block(block: Buffer): void {
    switch (this.#state) {
      case 'header':
        this.#onHeader(block);
        return;
      case 'extension':
        this.#onExtension(block);
        return;
      case 'old-sparse':
        this.#onOldSparse(block, 0, 21);
        return;
      default:
        this.#onSparseMap(block);
        return;
    }
  }

  #expectHeader(): void {
    this.#state = 'header';
    this.#missing = BLOCK;
  }

  #onHeader(block: Buffer): void {
    const header = readHeader(block, 0);
    if (!header) {
      this.#state = 'finished';
      return;
    }
    if (header.size < 0) throw malformed('invalid tar header: negative size');
    this.#header = header;
    switch (header.flag) {
      case FLAG.paxLocal:
      case FLAG.paxGlobal:
      case FLAG.gnuLongName:
      case FLAG.gnuLongLink:
        if (header.size > EXTENSION_LIMIT)
          throw malformed(`tar extension header of ${header.size} bytes is larger than the ${EXTENSION_LIMIT} allowed`);
        this.#state = 'extension';
        this.#missing = header.size + padding(header.size);
        if (this.#missing === 0) this.#onExtension(Buffer.alloc(0));
        return;
      case FLAG.gnuSparse:
        this.#oldParts = [];
        this.#oldSize = readOldSparseSize(block, 0);
        this.#onOldSparse(block, 386, 4);
        return;
      default:
        this.#member(header);
        return;
    }
  }

  #onExtension(bytes: Buffer): void {
    const header = this.#header as Header;
    const content = bytes.subarray(0, header.size);
    if (header.flag === FLAG.paxGlobal) for (const [key, value] of readPax(content)) this.#globals.set(key, value);
    else if (header.flag === FLAG.paxLocal) this.#locals = readPaxWithSparse(content);
    else {
      const end = content.indexOf(0);
      const text = content.toString('latin1', 0, end < 0 ? content.length : end);
      if (header.flag === FLAG.gnuLongName) this.#longName = text;
      else this.#longLink = text;
    }
    this.#expectHeader();
  }

  #onOldSparse(block: Buffer, offset: number, count: number): void {
    const { map, more } = readOldSparseMap(block, offset, count);
    this.#oldParts.push(...map);
    limit(this.#oldParts.length);
    this.#state = 'old-sparse';
    this.#missing = BLOCK;
    if (!more) this.#member(this.#header as Header);
  }

  #member(header: Header): void {
    const { entry, stored, parts } = this.#entry(header);
    this.#locals = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#left = stored;
    this.#padding = padding(stored);
    this.#offset = 0;
    this.#size = entry.size;
    this.#sparse = parts === undefined || parts === 'in data' ? undefined : new SparseMap(parts, entry.size);
    this.#sink.entry(entry);
    if (parts === 'in data') {
      if (stored < BLOCK) throw malformed('invalid sparse file in tar: no map');
      this.#mapText = new SparseMapText();
      this.#state = 'sparse-map';
      this.#missing = BLOCK;
    } else if (stored === 0) this.#endOfData();
    else this.#state = 'data';
  }

  #onSparseMap(block: Buffer): void {
    this.#left -= BLOCK;
    const parts = this.#mapText?.push(block);
    if (!parts) {
      if (this.#left < BLOCK) throw malformed('invalid sparse file in tar: its map is cut');
      this.#missing = BLOCK;
      return;
    }
    this.#sparse = new SparseMap(parts, this.#size);
    if (this.#left === 0) this.#endOfData();
    else this.#state = 'data';
  }

  /** The member, the bytes that the archive holds of it, and where they belong in a sparse file. */
  #entry(header: Header): { entry: TarEntry; stored: number; parts: SparsePart[] | 'in data' | undefined } {
    const pax = this.#globals.size === 0 ? this.#locals : new Map([...this.#globals, ...(this.#locals ?? [])]);
    let name = this.#longName ?? header.name;
    let size = header.size;
    let linkName = this.#longLink ?? header.linkName;
    const entry: TarEntry = {
      type: typeOf(header.flag, name),
      name,
      linkName,
      mode: header.mode & 0o7777,
      uid: header.uid,
      gid: header.gid,
      userName: header.userName,
      groupName: header.groupName,
      size: 0,
      seconds: header.seconds,
      nanoseconds: 0,
      major: header.major,
      minor: header.minor,
      xattrs: undefined,
    };
    let realSize: number | undefined;
    let parts: SparsePart[] | 'in data' | undefined;
    if (pax) {
      name = pax.get('path') || name;
      linkName = pax.get('linkpath') || linkName;
      entry.userName = pax.get('uname') ?? entry.userName;
      entry.groupName = pax.get('gname') ?? entry.groupName;
      size = decimal(pax.get('size'), size);
      entry.uid = decimal(pax.get('uid'), entry.uid);
      entry.gid = decimal(pax.get('gid'), entry.gid);
      const time = pax.get('mtime');
      if (time) Object.assign(entry, parsePaxTime(time));
      for (const [key, value] of pax) {
        if (!key.startsWith(XATTR_PREFIX)) continue;
        entry.xattrs ??= new Map();
        entry.xattrs.set(key.slice(XATTR_PREFIX.length), Buffer.from(value, 'latin1'));
      }
      name = pax.get('GNU.sparse.name') || name;
      if (pax.get('GNU.sparse.major') === '1') {
        parts = 'in data';
        realSize = decimal(pax.get('GNU.sparse.realsize'), 0);
      } else if (pax.has('GNU.sparse.map')) {
        parts = partsInRecord(pax.get('GNU.sparse.map') as string);
        realSize = decimal(pax.get('GNU.sparse.size'), 0);
      }
    }
    if (header.flag === FLAG.gnuSparse) {
      parts = this.#oldParts;
      realSize = this.#oldSize;
    }
    entry.type = typeOf(header.flag, name);
    entry.name = stripSlashes(name);
    entry.linkName = linkName;
    // Links carry no data, whatever their size field says: some tars note the target's size there.
    if (entry.type !== 'file') return { entry, stored: 0, parts: undefined };
    entry.size = realSize ?? size;
    return { entry, stored: size, parts };
  }

  #data(chunk: Buffer): void {
    if (this.#sparse) {
      this.#sparse.place(chunk, (piece, offset) => this.#sink.data(piece, offset));
      return;
    }
    this.#sink.data(chunk, this.#offset);
    this.#offset += chunk.length;
  }

  #endOfData(): void {
    this.#sink.end();
    this.#sparse = undefined;
    if (this.#padding > 0) this.#state = 'padding';
    else this.#expectHeader();
  }
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function typeOf(flag: string, name: string): TarEntryType {
  // Old archives mark a directory by nothing but the slash; contiguous files and vendors' types are read as files (POSIX says so).
  return TYPES[flag] ?? (name.endsWith('/') ? 'directory' : 'file');
}

function stripSlashes(name: string): string {
  let end = name.length;
  while (end > 1 && name[end - 1] === '/') end--;
  return name.slice(0, end);
}
