// `lo` of the caller's network namespace, up: one ioctl (netdevice(7)), which is less than a netlink socket for a container's init.
import { closeSync } from 'node:fs';
import { bind, check } from './libc.ts';

const cSocket = bind('int socket(int, int, int)');
const cIoctl = bind('int ioctl(int, unsigned long, void*)');

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** struct ifreq: a name of 16 bytes, then the flags. */
const IFREQ_SIZE = 40;

/** Throws SysError: EPERM without CAP_NET_ADMIN in the namespace. */
export function bringUpLoopback(): void {
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write('lo', 0);
  request.writeInt16LE(IFF_UP, 16);
  const fd = check(cSocket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), 'socket');
  try {
    check(cIoctl(fd, SIOCSIFFLAGS, request), 'ioctl', 'SIOCSIFFLAGS lo');
  } finally {
    closeSync(fd);
  }
}
