// Namespaces and processes as descriptors: clone3(2) with namespace flags, unshare, setns, pidfds. See namespaces(7), pidfd_open(2).
import { makePagesForkable } from './fork.ts';
import { bind, check, errno, errnoName } from './libc.ts';
import { SYSCALL } from './syscall-numbers.ts';

const cClone3 = bind('long syscall(long, void*, size_t)');
const cUnshare = bind('int unshare(int)');
const cSetns = bind('int setns(int, int)');
const cPidfdOpen = bind('long syscall(long, int, unsigned int)');
const cPidfdSendSignal = bind('long syscall(long, int, int, void*, unsigned int)');
const cPoll = bind('int poll(void*, unsigned long, int)');
const cKill = bind('int kill(int, int)');

export const CLONE = {
  NEWTIME: 0x80,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  /** The child's parent is the caller's parent. */
  PARENT: 0x8000,
} as const;

const SIGCHLD = 17;

/** Size of struct clone_args up to `cgroup` (Linux 5.7). */
const CLONE_ARGS_SIZE = 88;
const CLONE_INTO_CGROUP = 0x200000000n;

/**
 * fork() into new namespaces (`flags` of CLONE), and into a cgroup of the v2 hierarchy by its directory's descriptor; 0 in the child.
 * The C library's fork handlers do not run: the caller has blocked all signals, and the child makes system calls and execs, it never
 * returns to an event loop. Pages: see fork.ts.
 */
export function forkInto(flags: number, options: { cgroup?: number } = {}): number {
  const args = Buffer.alloc(CLONE_ARGS_SIZE);
  args.writeBigUInt64LE(BigInt(flags) | (options.cgroup === undefined ? 0n : CLONE_INTO_CGROUP), 0);
  // With CLONE_PARENT the signal is that of the caller.
  args.writeBigUInt64LE(BigInt(flags & CLONE.PARENT ? 0 : SIGCHLD), 32);
  args.writeBigUInt64LE(BigInt(options.cgroup ?? 0), 80);
  makePagesForkable();
  const pid = cClone3(SYSCALL.clone3, args, CLONE_ARGS_SIZE);
  return check(pid, 'clone3', `0x${flags.toString(16)}`);
}

/** unshare(2): the calling thread's own new namespaces, `flags` of CLONE. NEWPID is for its next children, not for itself. */
export function unshare(flags: number): void {
  check(cUnshare(flags), 'unshare', `0x${flags.toString(16)}`);
}

/** `fd`: a namespace file with one flag or 0, or a pidfd with the flags of all namespaces to join. */
export function setns(fd: number, flags: number): void {
  check(cSetns(fd, flags), 'setns', `0x${flags.toString(16)}`);
}

/** A close-on-exec descriptor of a process; ESRCH when there is none. */
export function pidfdOpen(pid: number): number {
  return check(cPidfdOpen(SYSCALL.pidfdOpen, pid, 0), 'pidfd_open', pid);
}

/** False when the process is gone. */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  if (cPidfdSendSignal(SYSCALL.pidfdSendSignal, pidfd, signal, null, 0) === 0) return true;
  if (errnoName(errno()) === 'ESRCH') return false;
  check(-1, 'pidfd_send_signal', signal);
  return false;
}

/** False when the process is gone. */
export function kill(pid: number, signal: number): boolean {
  if (cKill(pid, signal) === 0) return true;
  if (errnoName(errno()) === 'ESRCH') return false;
  check(-1, 'kill', pid, signal);
  return false;
}

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;

/**
 * Waits until one of `events` (or an error) is there; 0 after `timeoutMs` (-1: for ever). Returns the bits that are.
 * A pidfd gets POLLIN when its process has exited.
 */
export function poll(fd: number, events: number, timeoutMs: number): number {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(events, 4);
  for (;;) {
    const ready = cPoll(entry, 1, timeoutMs);
    if (ready >= 0) return ready === 0 ? 0 : entry.readInt16LE(6);
    if (errnoName(errno()) !== 'EINTR') check(ready, 'poll', fd);
  }
}
