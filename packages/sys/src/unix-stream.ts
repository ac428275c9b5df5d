// A unix stream socket that is used like a function: written and read at once, without the event loop. For a runtime that asks another
// program something in the middle of making a container (unix(7), socket(7)).
import { closeSync } from 'node:fs';
import { bind, check } from './libc.ts';

const cSocket = bind('int socket(int, int, int)');
const cConnect = bind('int connect(int, const void*, uint32_t)');
const cSetsockopt = bind('int setsockopt(int, int, int, const void*, uint32_t)');
const cSend = bind('intptr_t send(int, const void*, size_t, int)');
const cRecv = bind('intptr_t recv(int, _Out_ void*, size_t, int)');

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0o2000001;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
/** sun_path, with its terminating zero. */
const LONGEST_PATH = 107;

/** One connection, the caller's to dispose of. */
export class UnixStream implements Disposable {
  #fd: number;

  /** Throws SysError: ENOENT, ECONNREFUSED, EACCES … Later calls throw EAGAIN when the peer lets `timeout` seconds go by. */
  constructor(path: string, timeout: number) {
    const bytes = Buffer.from(path);
    if (bytes.length > LONGEST_PATH) throw new Error(`the socket's path is longer than ${LONGEST_PATH} bytes: ${path}`);
    this.#fd = check(cSocket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0), 'socket', 'AF_UNIX');
    try {
      const interval = new BigInt64Array([BigInt(timeout), 0n]);
      for (const option of [SO_RCVTIMEO, SO_SNDTIMEO])
        check(cSetsockopt(this.#fd, SOL_SOCKET, option, interval, interval.byteLength), 'setsockopt', option);
      const name = new Uint8Array(2 + bytes.length + 1);
      name[0] = AF_UNIX;
      name.set(bytes, 2);
      check(cConnect(this.#fd, name, name.length), 'connect', path);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** All of the bytes. Throws SysError: EPIPE when the peer has hung up. */
  write(bytes: Uint8Array): void {
    for (let sent = 0; sent < bytes.length; )
      sent += check(cSend(this.#fd, bytes.subarray(sent), bytes.length - sent, MSG_NOSIGNAL), 'send');
  }

  /** Exactly so many bytes; throws when the peer hangs up before. */
  read(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let got = 0; got < length; ) {
      const count = check(cRecv(this.#fd, bytes.subarray(got), length - got, 0), 'recv');
      if (count === 0) throw new Error('the peer has hung up');
      got += count;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
