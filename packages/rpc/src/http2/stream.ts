// One stream of a connection, on the server's side (RFC 9113, section 5): what it may still send and be sent, and what waits for that.
import { EngineError } from '@berth/errdefs/engine-error';
import { ErrorCode, FrameType, MAX_FRAME, MAX_WINDOW, Violation } from './frames.ts';
import type { Outbox } from './outbox.ts';

/** What an application may have waiting to be sent before `drained` makes it wait. */
const SEND_AHEAD = 256 * 1024;
/** What an object in a queue takes beside its bytes. */
const OVERHEAD = 64;

/** Who serves the stream. */
export interface Receiver {
  data(bytes: Buffer): void;
  /** The client has said all. */
  end(): void;
  /** The stream is over before it was answered; nobody reads what is sent from now on. */
  gone(reason: EngineError): void;
}

/** What a stream needs of its connection. */
export interface Carrier {
  readonly outbox: Outbox;
  /** Bytes that a peer may send ahead on a stream. */
  readonly window: number;
  /** Sees to it that what is in the outbox leaves in this turn of the event loop. */
  schedule(): void;
  /** The stream has data, and room in its window. */
  ready(stream: Stream): void;
  header(stream: number, block: Uint8Array, last: boolean): void;
  /** Counts what is kept in memory for this peer; less with a negative number. */
  hold(bytes: number): void;
  over(stream: Stream): void;
}

export class Stream {
  readonly id: number;
  receiver: Receiver | undefined;
  /** Whether somebody works for this stream, be it over or not. */
  busy = false;
  readonly #carrier: Carrier;
  #over = false;

  /** What the peer lets be sent; below zero when it took back what was used already. */
  #window: number;
  readonly #queue: Uint8Array[] = [];
  #sent = 0;
  #queued = 0;
  #trailers: Uint8Array | undefined;
  #wake: (() => void) | undefined;

  /** What the peer may send, and what of that is used up but not given back. */
  #credit: number;
  #owed = 0;
  #backlog = 0;
  #held = 0;
  #ended = false;

  constructor(id: number, carrier: Carrier, window: number) {
    this.id = id;
    this.#carrier = carrier;
    this.#window = window;
    this.#credit = carrier.window;
  }

  /** Header fields ahead of data. */
  header(block: Uint8Array): void {
    if (!this.#over) this.#carrier.header(this.id, block, false);
  }

  /** Data, cut into frames and sent as the peer lets it. The bytes must not change any more. */
  write(bytes: Uint8Array): void {
    if (this.#over || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#hold(bytes.length + OVERHEAD);
    if (this.sendable) this.#carrier.ready(this);
  }

  /** Header fields behind all data, or instead of any: the end. */
  finish(block: Uint8Array): void {
    if (this.#over || this.#trailers) return;
    this.#trailers = block;
    if (this.#queued === 0) this.#close();
  }

  /** Drops what waits. */
  reset(code: ErrorCode): void {
    if (this.#over) return;
    this.#carrier.outbox.number(FrameType.reset, this.id, code);
    this.#carrier.schedule();
    this.#drop();
  }

  /** Drops what waits behind the header fields that it ends with. */
  cut(block: Uint8Array): void {
    this.#forget();
    this.finish(block);
  }

  get sendable(): boolean {
    return this.#queued > 0 && this.#window > 0;
  }

  /** A promise when as much waits as one may have waiting; it resolves when there is less, or nobody there. */
  drained(): Promise<void> | undefined {
    if (this.#queued <= SEND_AHEAD || this.#over) return undefined;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** One frame of what waits, of at most `limit` bytes; returns how many it were. */
  send(limit: number): number {
    const size = Math.min(limit, MAX_FRAME, this.#window, this.#queued);
    const { outbox } = this.#carrier;
    outbox.begin(FrameType.data, 0, this.id, size);
    for (let left = size; left > 0; ) {
      const bytes = this.#queue[0] as Uint8Array;
      const part = Math.min(left, bytes.length - this.#sent);
      outbox.put(bytes, this.#sent, this.#sent + part);
      this.#sent += part;
      left -= part;
      if (this.#sent < bytes.length) continue;
      this.#queue.shift();
      this.#sent = 0;
      this.#hold(-OVERHEAD);
    }
    this.#window -= size;
    this.#queued -= size;
    this.#hold(-size);
    if (this.#queued <= SEND_AHEAD) this.#awake();
    if (this.#queued === 0 && this.#trailers) this.#close();
    return size;
  }

  /** A change of the peer's window for this stream; false beyond what a window may be. */
  widen(by: number): boolean {
    this.#window += by;
    if (this.#window > MAX_WINDOW) return false;
    if (by > 0 && this.sendable) this.#carrier.ready(this);
    return true;
  }

  /** DATA arrived. `size` is its payload with the padding, which counts too. */
  received(bytes: Buffer, size: number, last: boolean): void {
    if (size > this.#credit) throw new Violation(ErrorCode.flowControl, `more data on stream ${this.id} than its window holds`);
    if (this.#ended) {
      this.abandon(ErrorCode.streamClosed, 'the client sent data behind its end');
      return;
    }
    this.#credit -= size;
    this.#owed += size;
    this.#hold(bytes.length);
    if (bytes.length > 0) this.receiver?.data(bytes);
    if (last) this.end();
    else this.#giveCredit();
  }

  end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    this.receiver?.end();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The application has received something whole of so many bytes and keeps it until it is read. */
  waiting(bytes: number): void {
    this.#backlog += bytes;
    this.#hold(OVERHEAD);
  }

  /** It was read. */
  taken(bytes: number): void {
    this.#backlog -= bytes;
    this.#hold(-bytes - OVERHEAD);
    this.#giveCredit();
  }

  /** Nobody works for this stream any more. */
  settle(): void {
    if (!this.busy) return;
    this.busy = false;
    if (this.#over) this.#carrier.over(this);
  }

  /** The end from the other side or by its fault. */
  abandon(code: ErrorCode | undefined, reason: string): void {
    if (this.#over) return;
    if (code === undefined) this.#drop();
    else this.reset(code);
    this.receiver?.gone(new EngineError('Cancelled', reason));
  }

  /** Nothing is given back while half a window of whole messages waits for a reader. What is not whole yet must be able to go on. */
  #giveCredit(): void {
    const enough = this.#carrier.window / 2;
    if (this.#over || this.#ended || this.#owed < enough || this.#backlog > enough) return;
    this.#carrier.outbox.number(FrameType.window, this.id, this.#owed);
    this.#carrier.schedule();
    this.#credit += this.#owed;
    this.#owed = 0;
  }

  #close(): void {
    this.#carrier.header(this.id, this.#trailers as Uint8Array, true);
    // The answer is whole; what the client still has to say is of no use (section 8.1).
    if (!this.#ended) this.#carrier.outbox.number(FrameType.reset, this.id, ErrorCode.none);
    this.#drop();
  }

  #drop(): void {
    this.#forget();
    this.#carrier.hold(-this.#held);
    this.#held = 0;
    this.#over = true;
    this.#carrier.over(this);
  }

  /** Drops what waits to be sent. */
  #forget(): void {
    this.#hold(-this.#queued - this.#queue.length * OVERHEAD);
    this.#queue.length = 0;
    this.#queued = 0;
    this.#sent = 0;
    this.#awake();
  }

  #hold(bytes: number): void {
    if (this.#over) return;
    this.#held += bytes;
    this.#carrier.hold(bytes);
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
