// Sockets that are bound at once, without the event loop: a port is either ours when the call returns, or the caller knows why
// not. node:net and node:dgram take the descriptor over (`listen({ fd })`, `bind({ fd })`).
import { closeSync } from 'node:fs';
import { bind, check, sysError } from './libc.ts';

const cSocket = bind('int socket(int, int, int)');
const cBind = bind('int bind(int, const void*, uint32_t)');
const cListen = bind('int listen(int, int)');
const cSetsockopt = bind('int setsockopt(int, int, int, const void*, uint32_t)');

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_FLAGS = 0o2004000; // SOCK_CLOEXEC | SOCK_NONBLOCK
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const BACKLOG = 4096;

/** A listening TCP or bound UDP socket. `address` is 4 or 16 bytes; an IPv6 one takes no IPv4 traffic. Throws EADDRINUSE. */
export function bindHostSocket(protocol: 'tcp' | 'udp', address: Uint8Array, port: number): number {
  const v6 = address.length === 16;
  const fd = check(cSocket(v6 ? AF_INET6 : AF_INET, (protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_FLAGS, 0), 'socket', protocol);
  try {
    const one = Uint8Array.of(1, 0, 0, 0);
    // A UDP socket with SO_REUSEADDR would share its port with any other that has it: a lost reservation.
    if (protocol === 'tcp') check(cSetsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4), 'setsockopt', 'SO_REUSEADDR');
    if (v6) check(cSetsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, one, 4), 'setsockopt', 'IPV6_V6ONLY');
    const name = socketName(address, port);
    if (cBind(fd, name, name.length) < 0) throw sysError('bind', [port]);
    if (protocol === 'tcp' && cListen(fd, BACKLOG) < 0) throw sysError('listen', [port]);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in or sockaddr_in6. */
function socketName(address: Uint8Array, port: number): Uint8Array {
  const v6 = address.length === 16;
  const bytes = new Uint8Array(v6 ? 28 : 16);
  const data = new DataView(bytes.buffer);
  data.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  data.setUint16(2, port, false);
  bytes.set(address, v6 ? 8 : 4);
  return bytes;
}
