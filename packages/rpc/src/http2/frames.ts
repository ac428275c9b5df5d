// HTTP/2's frames (RFC 9113, section 4): nine bytes of header and, from a peer that was not told otherwise, at most 16 KiB of payload.
//
//   0..2 length of the payload · 3 type · 4 flags · 5..8 stream, of which the highest bit says nothing
import { EngineError } from '@berth/errdefs/engine-error';

/** What a client says first (section 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME_HEADER = 9;
/** The payload that every peer takes, and the most that is taken here. */
export const MAX_FRAME = 16_384;
export const MAX_WINDOW = 0x7fffffff;
/** A window before anybody has said anything. */
export const FIRST_WINDOW = 65_535;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Section 7. */
export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  compression: 9,
  calm: 11,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Section 6.5.2. */
export const Setting = { enablePush: 2, maxStreams: 3, initialWindow: 4, maxFrame: 5, maxHeaderList: 6 } as const;

/** What a peer did that ends its connection (section 5.4.1). */
export class Violation extends EngineError {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super('InvalidArgument', `http2: ${message}`);
    this.code = code;
  }
}

export type Sink = (type: number, flags: number, stream: number, payload: Buffer) => void;

/** Cuts what a client sends into frames, however it was split on the way. A Violation leaves it of no further use. */
export class FrameReader {
  readonly #sink: Sink;
  #preface = 0;
  readonly #header = Buffer.alloc(FRAME_HEADER);
  #headed = 0;
  #payload: Buffer | undefined;
  #filled = 0;

  /** Payloads are views of the chunks where a chunk holds them whole; whoever keeps one keeps the chunk. */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = this.#preface < PREFACE.length ? this.#greeted(chunk) : 0;
    while (at < chunk.length) {
      if (this.#payload) {
        at += this.#fill(this.#payload, chunk, at);
        continue;
      }
      let header = chunk;
      let from = at;
      if (this.#headed > 0 || chunk.length - at < FRAME_HEADER) {
        const copied = chunk.copy(this.#header, this.#headed, at);
        this.#headed += copied;
        at += copied;
        if (this.#headed < FRAME_HEADER) return;
        this.#headed = 0;
        header = this.#header;
        from = 0;
      } else at += FRAME_HEADER;
      const length = header.readUIntBE(from, 3);
      if (length > MAX_FRAME) throw new Violation(ErrorCode.frameSize, `a frame of ${length} bytes`);
      if (chunk.length - at >= length) {
        this.#emit(header, from, chunk.subarray(at, at + length));
        at += length;
      } else {
        if (header !== this.#header) header.copy(this.#header, 0, from, from + FRAME_HEADER);
        this.#payload = Buffer.allocUnsafe(length);
        this.#filled = 0;
      }
    }
  }

  #emit(header: Buffer, at: number, payload: Buffer): void {
    this.#sink(header[at + 3] as number, header[at + 4] as number, header.readUInt32BE(at + 5) & MAX_WINDOW, payload);
  }

  /** Copies what belongs to a frame that an earlier chunk began. */
  #fill(payload: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(payload, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === payload.length) {
      this.#payload = undefined;
      this.#emit(this.#header, 0, payload);
    }
    return copied;
  }

  #greeted(chunk: Buffer): number {
    const size = Math.min(PREFACE.length - this.#preface, chunk.length);
    if (PREFACE.compare(chunk, 0, size, this.#preface, this.#preface + size) !== 0) {
      throw new Violation(ErrorCode.protocol, 'the client does not speak HTTP/2');
    }
    this.#preface += size;
    return size;
  }
}
