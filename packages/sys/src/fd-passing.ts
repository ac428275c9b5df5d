// Descriptors over unix sockets (SCM_RIGHTS, unix(7)), and socket pairs. Blocking calls.
import { koffi } from './koffi.ts';
import { bind, check, errno, errnoName, sysError } from './libc.ts';

koffi.struct('berth_iovec', { base: 'void*', length: 'size_t' });
koffi.struct('berth_msghdr', {
  name: 'void*',
  nameLength: 'uint32_t',
  iov: 'berth_iovec*',
  iovLength: 'size_t',
  control: 'void*',
  controlLength: 'size_t',
  flags: 'int',
});
const cSendmsg = bind('int64_t sendmsg(int, berth_msghdr*, int)');
const cRecvmsg = bind('int64_t recvmsg(int, _Inout_ berth_msghdr*, int)');
const cSocketpair = bind('int socketpair(int, int, int, _Out_ int*)');
const cSocket = bind('int socket(int, int, int)');
const cBind = bind('int bind(int, void*, unsigned int)');
const cListen = bind('int listen(int, int)');
const cAccept4 = bind('int accept4(int, void*, void*, int)');
const cConnect = bind('int connect(int, void*, unsigned int)');

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** struct cmsghdr: length (8 bytes), level, type. */
const CMSG_HEADER = 16;
const MAX_FDS = 8;

/** Two connected close-on-exec sockets; 'packet' keeps message borders. */
export function socketPair(kind: 'stream' | 'packet'): [number, number] {
  const out = [0, 0];
  check(cSocketpair(AF_UNIX, (kind === 'packet' ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0, out), 'socketpair');
  return [out[0] ?? -1, out[1] ?? -1];
}

/** A stream connection to a socket's path. */
export function connectUnix(path: string): number {
  const address = unixAddress(path);
  const fd = check(cSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  check(cConnect(fd, address, address.length), 'connect', path);
  return fd;
}

/** One message with descriptors beside it. */
export function sendWithFds(socket: number, data: Uint8Array, fds: readonly number[]): void {
  const length = CMSG_HEADER + 4 * fds.length;
  const control = Buffer.alloc((length + 7) & ~7);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of fds.entries()) control.writeInt32LE(fd, CMSG_HEADER + 4 * index);
  const message = {
    name: null,
    nameLength: 0,
    iov: { base: data, length: data.length },
    iovLength: 1,
    control: fds.length ? control : null,
    controlLength: fds.length ? control.length : 0,
    flags: 0,
  };
  while (Number(cSendmsg(socket, message, MSG_NOSIGNAL)) < 0) {
    if (errnoName(errno()) !== 'EINTR') throw sysError('sendmsg');
  }
}

/** The next message, at most `size` bytes; no bytes means that the other end is closed. Received descriptors are close-on-exec. */
export function receiveWithFds(socket: number, size: number): { data: Buffer; fds: number[] } {
  const data = Buffer.alloc(size);
  const control = Buffer.alloc(CMSG_HEADER + 4 * MAX_FDS);
  for (;;) {
    const message = {
      name: null,
      nameLength: 0,
      iov: { base: data, length: data.length },
      iovLength: 1,
      control,
      controlLength: control.length,
      flags: 0,
    };
    const length = Number(cRecvmsg(socket, message, MSG_CMSG_CLOEXEC));
    if (length < 0) {
      const name = errnoName(errno());
      if (name === 'EINTR') continue;
      // The other end was closed with a message of ours unread: the same end.
      if (name === 'ECONNRESET') return { data: data.subarray(0, 0), fds: [] };
      throw sysError('recvmsg', [socket]);
    }
    const fds: number[] = [];
    if (message.controlLength >= CMSG_HEADER && control.readInt32LE(12) === SCM_RIGHTS) {
      const end = Number(control.readBigUInt64LE(0));
      for (let at = CMSG_HEADER; at + 4 <= end; at += 4) fds.push(control.readInt32LE(at));
    }
    return { data: data.subarray(0, length), fds };
  }
}

/** A stream socket that listens at a path. */
export function listenUnix(path: string): number {
  const fd = check(cSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  const address = unixAddress(path);
  check(cBind(fd, address, address.length), 'bind', path);
  check(cListen(fd, 16), 'listen', path);
  return fd;
}

/** Blocks until somebody connects. */
export function acceptUnix(socket: number): number {
  return check(cAccept4(socket, null, null, SOCK_CLOEXEC), 'accept');
}

function unixAddress(path: string): Buffer {
  const address = Buffer.alloc(2 + Buffer.byteLength(path) + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  return address;
}
