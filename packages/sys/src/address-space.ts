// A process' addresses: where they begin and end, and in which pieces the kernel gives them.
import { bind } from './libc.ts';

/** Addresses; `end` is the first that does not belong. */
export interface Span {
  start: number;
  end: number;
}

/** Nothing lies below the first (vm.mmap_min_addr), or at the second and above: 47 bits, on arm64 48. */
export const LOWEST_ADDRESS = 0x10000;
export const HIGHEST_ADDRESS = process.arch === 'arm64' ? 0xffff_ffff_f000 : 0x7fff_ffff_f000;

/** Bytes of a page: 4096, or what an arm64 kernel was built with. */
export const PAGE = bind('int getpagesize()')();
