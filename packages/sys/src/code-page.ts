// Machine code in a page of its own, which is never writable and executable at once.
import { PAGE, type Span } from './address-space.ts';
import { bind, memoryView, sysError } from './libc.ts';

const mmap = bind('uint64_t mmap(uint64_t, size_t, int, int, int, int64_t)');
const mprotect = bind('int mprotect(uint64_t, size_t, int)');

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const ALIGNMENT = 16;

/** For the life of the process and its forks: the page, and where in it each piece of code is. */
export function codePage(pieces: readonly Uint8Array[]): { span: Span; addresses: number[] } {
  const start = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (start >= 2 ** 63) throw sysError('mmap');
  const addresses: number[] = [];
  let at = start;
  for (const piece of pieces) {
    memoryView(at, piece.length).set(piece);
    addresses.push(at);
    at += Math.ceil(piece.length / ALIGNMENT) * ALIGNMENT;
  }
  if (mprotect(start, PAGE, PROT_READ | PROT_EXEC) < 0) throw sysError('mprotect');
  return { span: { start, end: start + PAGE }, addresses };
}
