// ttrpc's frames: ten bytes of header and at most 4 MiB of message (github.com/containerd/ttrpc, PROTOCOL.md).
//
//   0..3 length of the message, big endian · 4..7 stream · 8 type · 9 flags
//
// A stream is one call; clients number theirs 1, 3, 5, … on each connection.
import { EngineError } from '@berth/errdefs/engine-error';

export const HEADER_LENGTH = 10;
export const MAX_MESSAGE = 4 << 20;

export const FrameType = { request: 1, response: 2, data: 3 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bits of the flags byte. */
export const FrameFlag = {
  /** The sender sends nothing more on this stream. */
  remoteClosed: 1,
  /** The sender (of a request) will send data frames. */
  remoteOpen: 2,
  /** The data frame carries no message; an empty message would be another thing. */
  noData: 4,
} as const;

export interface Frame {
  stream: number;
  type: FrameType;
  flags: number;
  message: Uint8Array;
}

/** One frame as one buffer, so that it leaves in one write. */
export function encodeFrame(frame: Frame): Buffer {
  const length = frame.message.length;
  if (length > MAX_MESSAGE) {
    throw new EngineError('ResourceExhausted', `ttrpc: message of ${length} bytes is longer than the ${MAX_MESSAGE} allowed`);
  }
  const buffer = Buffer.allocUnsafe(HEADER_LENGTH + length);
  buffer.writeUInt32BE(length, 0);
  buffer.writeUInt32BE(frame.stream, 4);
  buffer[8] = frame.type;
  buffer[9] = frame.flags;
  buffer.set(frame.message, HEADER_LENGTH);
  return buffer;
}

/** Cuts what arrives on a connection into frames, however it was split on the way. */
export class FrameDecoder {
  #rest: Buffer | undefined;

  /**
   * The frames that `chunk` completes. Messages may be views of `chunk`: decode or copy them before it is reused.
   * An oversized or unknown frame throws, and the connection is of no further use.
   */
  *push(chunk: Buffer): Generator<Frame> {
    let buffer = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (buffer.length >= HEADER_LENGTH) {
      const length = buffer.readUInt32BE(0);
      if (length > MAX_MESSAGE) {
        throw new EngineError('ResourceExhausted', `ttrpc: peer sent a message of ${length} bytes, more than the ${MAX_MESSAGE} allowed`);
      }
      if (buffer.length < HEADER_LENGTH + length) break;
      const type = buffer[8];
      if (type !== FrameType.request && type !== FrameType.response && type !== FrameType.data) {
        throw new EngineError('InvalidArgument', `ttrpc: peer sent a frame of unknown type ${type}`);
      }
      yield {
        stream: buffer.readUInt32BE(4),
        type,
        flags: buffer[9] ?? 0,
        message: buffer.subarray(HEADER_LENGTH, HEADER_LENGTH + length),
      };
      buffer = buffer.subarray(HEADER_LENGTH + length);
    }
    // A copy: the chunk may be a buffer that its reader uses again.
    if (buffer.length > 0) this.#rest = Buffer.from(buffer);
  }
}
