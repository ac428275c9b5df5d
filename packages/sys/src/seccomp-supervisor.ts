// The other end of a filter with SECCOMP_RET_USER_NOTIF (seccomp_unotify(2)): system calls of other processes, each of which waits until
// its supervisor says what becomes of it. Tests stop a program before each of its system calls by this. The descriptor gets POLLIN when
// a call waits, and POLLHUP once no process has the filter.
//
// Facts: linux/seccomp.h struct seccomp_notif (80 bytes), struct seccomp_notif_resp (24 bytes), SECCOMP_IOCTL_NOTIF_*.
import { bind, check, errno, errnoName } from './libc.ts';

const cIoctl = bind('int ioctl(int, unsigned long, void*)');
const RECEIVE = 0xc0502100;
const SEND = 0xc0182101;
const NOTIFICATION_SIZE = 80;
const RESPONSE_SIZE = 24;
const FLAG_CONTINUE = 1;

export interface SyscallNotification {
  id: bigint;
  /** In the supervisor's pid namespace. */
  pid: number;
  syscall: number;
}

/** The next call that waits; blocks. Undefined when its process died meanwhile. */
export function receiveSyscall(listener: number): SyscallNotification | undefined {
  const buffer = Buffer.alloc(NOTIFICATION_SIZE);
  if (cIoctl(listener, RECEIVE, buffer) < 0) {
    if (errnoName(errno()) === 'ENOENT') return undefined;
    check(-1, 'ioctl', 'SECCOMP_IOCTL_NOTIF_RECV');
  }
  return { id: buffer.readBigUInt64LE(0), pid: buffer.readUInt32LE(8), syscall: buffer.readInt32LE(16) };
}

/** The kernel carries the call out as if nobody had asked. False when its process died meanwhile. */
export function continueSyscall(listener: number, id: bigint): boolean {
  const buffer = Buffer.alloc(RESPONSE_SIZE);
  buffer.writeBigUInt64LE(id, 0);
  buffer.writeUInt32LE(FLAG_CONTINUE, 20);
  if (cIoctl(listener, SEND, buffer) === 0) return true;
  if (errnoName(errno()) === 'ENOENT') return false;
  check(-1, 'ioctl', 'SECCOMP_IOCTL_NOTIF_SEND');
  return false;
}
