// Pipes and descriptors: pipe2(2), dup2(2), poll(2). Blocking calls for processes that have no event loop at hand.
import { bind, check, errno, errnoName, sysError } from './libc.ts';

const cPipe2 = bind('int pipe2(_Out_ int*, int)');
const cDup2 = bind('int dup2(int, int)');
const cPoll = bind('int poll(void*, unsigned long, int)');

const O_CLOEXEC = 0o2000000;
const POLLIN = 1;
/** struct pollfd: descriptor, events asked for, events that are. */
const POLLFD = 8;

/** A close-on-exec pipe: [read end, write end]. */
export function createPipe(): [number, number] {
  const out = [0, 0];
  check(cPipe2(out, O_CLOEXEC), 'pipe2');
  return [out[0] ?? -1, out[1] ?? -1];
}

/** Makes `target` another name of `fd`; the copy survives execve. */
export function duplicateTo(fd: number, target: number): void {
  check(cDup2(fd, target), 'dup2', fd, target);
}

/** Waits until a descriptor has something to read or its other end is closed; false when `timeout` milliseconds (-1: none) passed first. */
export function waitReadable(fd: number, timeout: number): boolean {
  const entry = Buffer.alloc(POLLFD);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(POLLIN, 4);
  const end = performance.now() + timeout;
  for (;;) {
    const left = timeout < 0 ? -1 : Math.max(0, Math.ceil(end - performance.now()));
    const ready = cPoll(entry, 1, left);
    if (ready >= 0) return ready > 0;
    if (errnoName(errno()) !== 'EINTR') throw sysError('poll', [fd]);
  }
}
