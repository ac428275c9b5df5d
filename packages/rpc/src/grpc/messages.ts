// gRPC's messages in a stream of data: one octet that says whether it is compressed, four of length, the message.
import { EngineError } from '@berth/errdefs/engine-error';

export const PREFIX = 5;
/** What is reserved at once for a message that is announced; it grows with what comes. */
const RESERVED = 1 << 20;

/** Cuts data into messages, however it was split on the way. */
export class MessageReader {
  readonly #largest: number;
  readonly #encoding: string;
  readonly #prefix = Buffer.alloc(PREFIX);
  #prefixed = 0;
  #message: Buffer | undefined;
  #filled = 0;
  #length = 0;

  constructor(largest: number, encoding = 'identity') {
    this.#largest = largest;
    this.#encoding = encoding;
  }

  /** Whether a message is begun and not ended. */
  get inside(): boolean {
    return this.#prefixed > 0 || this.#message !== undefined;
  }

  /** Messages that `bytes` holds whole are views of it. */
  push(bytes: Buffer, sink: (message: Buffer) => void): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#message) {
        at += this.#fill(bytes, at);
        if (this.#filled === this.#length) this.#done(sink);
        continue;
      }
      let prefix = bytes;
      let from = at;
      if (this.#prefixed > 0 || bytes.length - at < PREFIX) {
        const copied = bytes.copy(this.#prefix, this.#prefixed, at);
        this.#prefixed += copied;
        at += copied;
        if (this.#prefixed < PREFIX) return;
        this.#prefixed = 0;
        prefix = this.#prefix;
        from = 0;
      } else at += PREFIX;
      if (prefix[from] !== 0) {
        throw new EngineError('NotImplemented', `Received message compressed with unsupported encoding "${this.#encoding}"`);
      }
      this.#length = prefix.readUInt32BE(from + 1);
      if (this.#length > this.#largest) {
        throw new EngineError('ResourceExhausted', `Received message larger than max (${this.#length} vs ${this.#largest})`);
      }
      if (bytes.length - at >= this.#length) {
        sink(bytes.subarray(at, at + this.#length));
        at += this.#length;
      } else {
        this.#message = Buffer.allocUnsafe(Math.min(this.#length, RESERVED));
        this.#filled = 0;
      }
    }
  }

  #fill(bytes: Buffer, at: number): number {
    let message = this.#message as Buffer;
    if (this.#filled === message.length) {
      message = Buffer.allocUnsafe(Math.min(this.#length, message.length * 2));
      this.#message?.copy(message);
      this.#message = message;
    }
    const copied = bytes.copy(message, this.#filled, at);
    this.#filled += copied;
    return copied;
  }

  #done(sink: (message: Buffer) => void): void {
    const message = this.#message as Buffer;
    this.#message = undefined;
    sink(message);
  }
}

/** What goes ahead of a message. */
export function prefixOf(message: Uint8Array): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX);
  prefix[0] = 0;
  prefix.writeUInt32BE(message.length, 1);
  return prefix;
}
