// The stdcopy framing of attach, exec and logs without a terminal: an 8-byte header [stream, 0, 0, 0, length u32be], then the
// bytes (moby's api/pkg/stdcopy). Used by the daemon and the shim to write, by clients to read.

export const STREAM = { stdin: 0, stdout: 1, stderr: 2, systemError: 3 } as const;
export type StreamId = (typeof STREAM)[keyof typeof STREAM];

const HEADER_LENGTH = 8;

export interface StdcopyFrame {
  stream: StreamId;
  payload: Buffer;
}

/** One frame as it goes on the wire. */
export function encodeFrame(stream: StreamId, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_LENGTH + payload.byteLength);
  frame.writeUInt32BE(stream * 0x1000000, 0);
  frame.writeUInt32BE(payload.byteLength, 4);
  frame.set(payload, HEADER_LENGTH);
  return frame;
}

/** Cuts a byte stream into frames; a frame may arrive in any number of pieces. Throws on a stream number that does not exist. */
export class StdcopyDecoder {
  #pending: Buffer[] = [];
  #length = 0;

  /** The frames that `chunk` completes, in order. */
  push(chunk: Uint8Array): StdcopyFrame[] {
    if (chunk.byteLength > 0) {
      this.#pending.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this.#length += chunk.byteLength;
    }
    const frames: StdcopyFrame[] = [];
    while (this.#length >= HEADER_LENGTH) {
      const header = this.#joined(HEADER_LENGTH);
      const stream = header[0] as number;
      if (stream > STREAM.systemError) throw new RangeError(`Unrecognized input header: ${stream}`);
      const total = HEADER_LENGTH + header.readUInt32BE(4);
      if (this.#length < total) break;
      const data = this.#joined(total);
      frames.push({ stream: stream as StreamId, payload: data.subarray(HEADER_LENGTH, total) });
      this.#pending[0] = data.subarray(total);
      this.#length -= total;
    }
    return frames;
  }

  /** Bytes of a frame that has not arrived whole. */
  get buffered(): number {
    return this.#length;
  }

  /** The first pending buffer, holding at least `length` bytes. */
  #joined(length: number): Buffer {
    let first = this.#pending[0] as Buffer;
    if (first.byteLength < length) {
      first = Buffer.concat(this.#pending);
      this.#pending = [first];
    }
    return first;
  }
}
