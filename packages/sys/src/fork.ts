// fork(2) of a running Node process: the one trick that Berth's speed rests on, kept in this file with its reasons
// (docs/adr/0001-fork.md has the measurements).
//
// A child of fork() has one thread. V8 and libuv have more, so this is sound only where they have none: the process runs
// with --v8-pool-size=0 --single-threaded and has not started libuv's thread pool (no async fs, dns, zlib or crypto).
import { bind, check, sysError } from './libc.ts';

const cFork = bind('int fork()');
const cExit = bind<void>('void _exit(int)');
const madvise = bind('int madvise(uint64_t, uint64_t, int)');
const uvDefaultLoop = bind<unknown>('void* uv_default_loop()');
const uvLoopFork = bind('int uv_loop_fork(void*)');

const MADV_DOFORK = 11;
/** From the lowest mappable address to the end of the user half of a 47-bit address space, the stack left out. */
const FIRST_PAGE = 0x10000;
const BELOW_STACK = 0x7ff000000000n;

/**
 * Forks; 0 in the child. V8 marks its pages MADV_DONTFORK to make child_process cheap, so a plain fork() gives a child that
 * faults on its first instruction: one madvise over all mappings undoes that (it ends in EINVAL at the kernel's vvar page, after
 * the work is done). Nothing may allocate between the two calls; a page that still slipped in kills the child before its
 * handshake, which callers treat as a failed fork and retry.
 */
export function fork(): number {
  madvise(FIRST_PAGE, BELOW_STACK, MADV_DOFORK);
  const pid = cFork();
  if (pid < 0) throw sysError('fork');
  return pid;
}

/** Leaves a forked child. process.exit() would join V8's threads, which are not there, and abort. */
export function exitNow(code: number): never {
  cExit(code);
  throw new Error('unreachable');
}

/** First thing in a child that goes on to use its event loop: the epoll instance is its parent's otherwise. */
export function adoptEventLoop(): void {
  check(uvLoopFork(uvDefaultLoop()), 'uv_loop_fork');
}
