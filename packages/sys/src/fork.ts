// fork(2) of a running Node process: the one trick that Berth's speed rests on, kept in this file with its reasons
// (docs/adr/0001-fork.md has the measurements).
//
// A child of fork() has one thread. V8 and libuv have more, so this is sound only where they have none: the process runs
// with --v8-pool-size=0 --single-threaded and has not started libuv's thread pool (no async fs, dns, zlib or crypto).
import { readFileSync } from 'node:fs';
import { HIGHEST_ADDRESS, LOWEST_ADDRESS } from './address-space.ts';
import { bind, check, sysError } from './libc.ts';

const cFork = bind('int fork()');
const cExit = bind<void>('void _exit(int)');
const cGetpid = bind('int getpid()');
const madvise = bind('int madvise(uint64_t, uint64_t, int)');
const uvDefaultLoop = bind<unknown>('void* uv_default_loop()');
const uvLoopFork = bind('int uv_loop_fork(void*)');

const MADV_DOFORK = 11;

/**
 * The address space without the kernel's own mappings ([vvar] and its neighbours), at which madvise would stop. They lie anywhere,
 * and stay where they are for the life of the process and of its forks.
 */
const RANGES = rangesAround(readFileSync('/proc/self/maps', 'latin1'));

function rangesAround(maps: string): { start: number; length: number }[] {
  const kernels = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) .*\[(?:vvar|vvar_vclock|vdso)\]$/gm)].map(
    ([, start, end]) => [Number(`0x${start}`), Number(`0x${end}`)] as const,
  );
  const ranges: { start: number; length: number }[] = [];
  let start = LOWEST_ADDRESS;
  for (const [from, to] of [...kernels, [HIGHEST_ADDRESS, HIGHEST_ADDRESS] as const]) {
    if (from > start) ranges.push({ start, length: from - start });
    start = to;
  }
  return ranges;
}

/**
 * Lets the next fork copy every page. V8 marks its pages MADV_DONTFORK to make child_process cheap, so a plain fork() gives a child
 * that faults on its first instruction. Holes make madvise report ENOMEM after it has done the rest.
 */
export function makePagesForkable(): void {
  for (const { start, length } of RANGES) madvise(start, length, MADV_DOFORK);
}

/**
 * Forks; 0 in the child. Nothing may allocate between the two calls; a page that still slipped in kills the child before its
 * handshake, which callers treat as a failed fork and retry.
 */
export function fork(): number {
  makePagesForkable();
  const pid = cFork();
  if (pid < 0) throw sysError('fork');
  return pid;
}

/** Leaves a forked child. process.exit() would join V8's threads, which are not there, and abort. */
export function exitNow(code: number): never {
  cExit(code);
  throw new Error('unreachable');
}

/**
 * First thing in a child that goes on to use its event loop: the epoll instance is its parent's otherwise, and so is
 * process.pid, which Node reads once.
 */
export function adoptEventLoop(): void {
  check(uvLoopFork(uvDefaultLoop()), 'uv_loop_fork');
  Object.defineProperty(process, 'pid', { value: cGetpid(), enumerable: true, configurable: true });
}
