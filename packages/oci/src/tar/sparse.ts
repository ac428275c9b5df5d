// GNU's sparse files: which stretches of a file an archive holds. Old GNU headers keep the map in the header, pax 0.0 and 0.1 in records,
// pax 1.0 as decimal lines before the data (GNU tar manual, "Storing Sparse Files").
import { malformed } from './header.ts';
import { decimal, type PaxRecords, readPax } from './pax.ts';

export interface SparsePart {
  offset: number;
  length: number;
}

/** Stretches in one file; more are an attack on memory rather than a file. */
const MOST_PARTS = 100_000;

/** Puts a sparse file's data where it belongs. */
export class SparseMap {
  readonly #parts: readonly SparsePart[];
  #part = 0;
  #done = 0;

  /** InvalidArgument when parts overlap, come out of order, or reach past `size`. */
  constructor(parts: readonly SparsePart[], size: number) {
    let end = 0;
    for (const { offset, length } of parts) {
      if (offset < end || length < 0 || offset + length > size) {
        throw malformed('invalid sparse file in tar: its map overlaps or reaches past the end');
      }
      end = offset + length;
    }
    this.#parts = parts;
  }

  place(chunk: Buffer, deliver: (piece: Buffer, offset: number) => void): void {
    for (let at = 0; at < chunk.length; ) {
      const part = this.#parts[this.#part];
      if (!part) throw malformed('invalid sparse file in tar: more data than its map has');
      const take = Math.min(part.length - this.#done, chunk.length - at);
      if (take > 0) deliver(chunk.subarray(at, at + take), part.offset + this.#done);
      at += take;
      this.#done += take;
      if (this.#done < part.length) continue;
      this.#part++;
      this.#done = 0;
    }
  }
}

/** The map of pax 1.0: lines of numbers, their count first, padded to whole blocks. */
export class SparseMapText {
  #blocks = '';
  #lines = 0;
  #wanted: number | undefined;

  /** Takes a block; the map when it is complete. */
  push(block: Buffer): SparsePart[] | undefined {
    for (const byte of block) if (byte === 0x0a) this.#lines++;
    this.#blocks += block.toString('latin1');
    if (this.#lines === 0) {
      if (this.#blocks.length > block.length) throw malformed('invalid sparse file in tar: no map');
      return undefined;
    }
    if (this.#wanted === undefined) {
      const count = decimal(this.#blocks.slice(0, this.#blocks.indexOf('\n')), MOST_PARTS + 1);
      limit(count);
      this.#wanted = 1 + 2 * count;
    }
    return this.#lines < this.#wanted ? undefined : pairs(this.#blocks.split('\n', this.#wanted).slice(1));
  }
}

/** A pax header's records; the pairs of sparse format 0.0, which repeat their keys, as the one record of format 0.1. */
export function readPaxWithSparse(bytes: Buffer): PaxRecords {
  const records = readPax(bytes);
  if (!records.has('GNU.sparse.offset') || records.has('GNU.sparse.map')) return records;
  const numbers: string[] = [];
  for (const match of bytes.toString('latin1').matchAll(/\d+ GNU\.sparse\.(?:offset|numbytes)=(\d+)\n/g)) numbers.push(match[1] as string);
  return records.set('GNU.sparse.map', numbers.join(','));
}

/** The parts of sparse format 0.1. */
export function partsInRecord(map: string): SparsePart[] {
  const parts = pairs(map === '' ? [] : map.split(','));
  limit(parts.length);
  return parts;
}

export function limit(parts: number): void {
  if (parts > MOST_PARTS) throw malformed(`invalid sparse file in tar: its map has more than ${MOST_PARTS} parts`);
}

function pairs(numbers: readonly string[]): SparsePart[] {
  const parts: SparsePart[] = [];
  for (let at = 0; at + 1 < numbers.length; at += 2) parts.push({ offset: decimal(numbers[at], 0), length: decimal(numbers[at + 1], 0) });
  return parts;
}
