// A netlink socket that is used like a function: requests go out in one sendmsg, their acknowledgements are read back, and the
// first refusal is thrown. The kernel handles rtnetlink and nfnetlink within the sender's call, so a read never waits: there is
// no event loop here and no thread. Runs in the daemon and in whoever sets a namespace up.
import type { SysError } from '@berth/errdefs/engine-error';
import { bind, check, errno, errnoName, sysError } from '../libc.ts';
import { concat, decodeAttributes, decodeMessages, encodeMessage, type Message, readText } from './codec.ts';

const cSocket = bind('int socket(int, int, int)');
const cSetsockopt = bind('int setsockopt(int, int, int, const void*, uint32_t)');
const cSend = bind('intptr_t send(int, const void*, size_t, int)');
const cRecv = bind('intptr_t recv(int, _Out_ void*, size_t, int)');
const cClose = bind('int close(int)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

/** Shared by all sockets, since none of them is ever left in the middle of an answer; longer than any datagram of a dump. */
const BUFFER = new Uint8Array(256 * 1024);

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

/** One request before it has a sequence number. `what` is for the error message: `add address 172.17.0.2/16`. */
export interface Request {
  type: number;
  /** Beside NLM_F_REQUEST. */
  flags: number;
  payload: Uint8Array;
  what: string;
  /** Errno names that count as success, e.g. EEXIST for an idempotent add. */
  tolerate?: readonly string[];
  /** False for the markers of an nfnetlink batch, which are never acknowledged. */
  acknowledged?: boolean;
}

/** A socket of one netlink family and one network namespace. Failures are SysErrors with the kernel's own message where it gives one. */
export class NetlinkSocket implements Disposable {
  readonly #name: string;
  #fd: number;
  #sequence = 1;

  /** Opens a socket in the calling thread's network namespace; it stays there wherever the thread goes afterwards. */
  constructor(protocol: typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER) {
    this.#name = protocol === NETLINK_ROUTE ? 'rtnetlink' : 'nftables';
    this.#fd = check(cSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', 'AF_NETLINK', this.#name);
    const one = Buffer.from([1, 0, 0, 0]);
    cSetsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, one, 4);
    cSetsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, one, 4);
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32LE(4 * 1024 * 1024);
    cSetsockopt(this.#fd, SOL_SOCKET, SO_SNDBUF, buffer, 4);
    // A kernel that does not answer is a bug; hanging the daemon on it would be another.
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(5n);
    cSetsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16);
  }

  /** Sends all requests at once. Each is tried by the kernel, also after one that failed; the first failure is thrown. */
  transact(requests: readonly Request[]): void {
    if (requests.length === 0) return;
    const first = this.#sequence;
    const waiting = new Map<number, Request>();
    const parts = requests.map((request) => {
      const sequence = this.#sequence++;
      const acknowledged = request.acknowledged !== false;
      if (acknowledged) waiting.set(sequence, request);
      const flags = request.flags | NLM_F_REQUEST | (acknowledged ? NLM_F_ACK : 0);
      return encodeMessage({ type: request.type, flags, sequence, payload: request.payload });
    });
    this.#send(concat(parts));
    let failure: SysError | undefined;
    while (waiting.size > 0) {
      for (const message of this.#receive()) {
        if (message.sequence < first || message.type !== NLMSG_ERROR) continue;
        // An error of the batch as a whole carries the sequence number of its begin marker.
        const request = waiting.get(message.sequence) ?? requests[message.sequence - first];
        const error = this.#failure(message, request);
        waiting.delete(message.sequence);
        if (error === undefined || request?.tolerate?.includes(error.code)) continue;
        failure ??= error;
        if (request?.acknowledged === false) throw failure;
      }
    }
    if (failure) throw failure;
  }

  /** The one message that answers a request. */
  get(request: Request): Message {
    const sequence = this.#sequence++;
    this.#send(encodeMessage({ type: request.type, flags: request.flags | NLM_F_REQUEST, sequence, payload: request.payload }));
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NLMSG_ERROR) return { ...message, payload: message.payload.slice() };
        const error = this.#failure(message, request);
        if (error) throw error;
      }
    }
  }

  /** Every message of a dump. */
  dump(request: Request): Message[] {
    const sequence = this.#sequence++;
    const flags = request.flags | NLM_F_REQUEST | NLM_F_DUMP;
    this.#send(encodeMessage({ type: request.type, flags, sequence, payload: request.payload }));
    const found: Message[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) return found;
        if (message.type === NLMSG_ERROR) {
          const error = this.#failure(message, request);
          if (error) throw error;
          return found;
        }
        found.push({ ...message, payload: message.payload.slice() });
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    cClose(this.#fd);
    this.#fd = -1;
  }

  #send(bytes: Uint8Array): void {
    const sent = cSend(this.#fd, bytes, bytes.length, 0);
    if (sent !== bytes.length) throw sysError('send', [this.#name]);
  }

  #receive(): Message[] {
    for (;;) {
      const got = cRecv(this.#fd, BUFFER, BUFFER.length, 0);
      if (got >= 0) return decodeMessages(BUFFER.subarray(0, got));
      if (errnoName(errno()) !== 'EINTR') throw sysError('recv', [this.#name]);
    }
  }

  /** struct nlmsgerr: an int that is 0 or a negative errno, the offending header, then the kernel's explanation. */
  #failure(message: Message, request: Request | undefined): SysError | undefined {
    const number = -new DataView(message.payload.buffer, message.payload.byteOffset).getInt32(0, true);
    if (number === 0) return undefined;
    let why = '';
    if (message.flags & NLM_F_ACK_TLVS) {
      const echoed = new DataView(message.payload.buffer, message.payload.byteOffset).getUint32(4, true);
      const after = 4 + (message.flags & NLM_F_CAPPED ? 16 : (echoed + 3) & ~3);
      why = readText(decodeAttributes(message.payload.subarray(after)).get(NLMSGERR_ATTR_MSG));
    }
    return sysError(this.#name, [request?.what ?? '', ...(why ? [`(${why})`] : [])], number);
  }
}
