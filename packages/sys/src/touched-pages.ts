// The pages that a forked process makes its own, and how to do that ahead. After fork(2) every page that is written to is copied at the
// write, and every page of a file that is run is mapped at the first access: 3 to 5 µs each, a thousand times in the life of a shim.
// What one child touched the next one will touch, for both begin with the same memory.
//
// /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst; MADV_POPULATE_*: madvise(2), Linux 5.14.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { bind } from './libc.ts';

const madvise = bind('int madvise(uint64_t, uint64_t, int)');

const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;

const PAGE = 4096;
/** Of pagemap's entries, upper half. */
const PRESENT = 1 << 31;
const OF_FILE = 1 << 29;
const EXCLUSIVE = 1 << 24;
const ENTRY = 8;

/** Addresses: from, bytes; whether it is written to. */
export type PageRange = readonly [start: number, length: number, write: boolean];

/** Of a process that was forked: the pages that it does not share with its parent any more, and the ones of files that it has mapped. */
export function touchedPages(pid: number): PageRange[] {
  const ranges: PageRange[] = [];
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    for (const [, from = '', to = '', mode = ''] of readFileSync(`/proc/${pid}/maps`, 'latin1').matchAll(
      /^([0-9a-f]+)-([0-9a-f]+) (\S+)/gm,
    )) {
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      // Neither what nobody may read, nor the kernel's own pages above all others.
      if (mode[0] !== 'r' || mode[3] !== 'p' || end > Number.MAX_SAFE_INTEGER) continue;
      const write = mode[1] === 'w';
      const touched = write ? (upper: number) => (upper & (PRESENT | EXCLUSIVE | OF_FILE)) === (PRESENT | EXCLUSIVE) : isFilePage;
      addRanges(ranges, pagemap, { start, end, write }, touched);
    }
  } finally {
    closeSync(pagemap);
  }
  return ranges;
}

function isFilePage(upper: number): boolean {
  return (upper & (PRESENT | OF_FILE)) === (PRESENT | OF_FILE);
}

interface Mapping {
  start: number;
  end: number;
  write: boolean;
}

function addRanges(ranges: PageRange[], pagemap: number, { start, end, write }: Mapping, touched: (upper: number) => boolean): void {
  const entries = Buffer.alloc(((end - start) / PAGE) * ENTRY);
  const length = readSync(pagemap, entries, 0, entries.length, (start / PAGE) * ENTRY);
  let since: number | undefined;
  for (let at = 0; at <= length; at += ENTRY) {
    const address = start + (at / ENTRY) * PAGE;
    const isTouched = at < length && touched(entries.readInt32LE(at + 4));
    if (isTouched) since ??= address;
    else if (since !== undefined) {
      ranges.push([since, address - since, write]);
      since = undefined;
    }
  }
}

/** Touches them in this process. What is not there, or cannot be touched, is left out: it costs a fault later, as ever. */
export function touchAhead(ranges: readonly PageRange[]): void {
  for (const [start, length, write] of ranges) madvise(start, length, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
