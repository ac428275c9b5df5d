// The frames that a connection is about to send, in few buffers: they leave together.
import { FRAME_HEADER, type FrameType } from './frames.ts';

const SLAB = 8192;

/** Frames are written one after the other: `begin`, then `put` until the announced length is there. */
export class Outbox {
  /** Bytes that wait to be taken. */
  length = 0;
  #slab = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #full: Buffer[] = [];

  begin(type: number, flags: number, stream: number, length: number): void {
    const size = FRAME_HEADER + length;
    if (this.#end + size > this.#slab.length) {
      if (this.#end > this.#start) this.#full.push(this.#slab.subarray(this.#start, this.#end));
      this.#slab = Buffer.allocUnsafe(Math.max(SLAB, size));
      this.#start = 0;
      this.#end = 0;
    }
    const slab = this.#slab;
    const at = this.#end;
    slab.writeUIntBE(length, at, 3);
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab.writeUInt32BE(stream, at + 5);
    this.#end = at + FRAME_HEADER;
    this.length += size;
  }

  put(bytes: Uint8Array, from = 0, to = bytes.length): void {
    this.#slab.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#end);
    this.#end += to - from;
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.begin(type, flags, stream, payload.length);
    this.put(payload);
  }

  /** A frame whose payload is one number: RST_STREAM, WINDOW_UPDATE. */
  number(type: typeof FrameType.reset | typeof FrameType.window, stream: number, value: number): void {
    this.begin(type, 0, stream, 4);
    this.#end = this.#slab.writeUInt32BE(value, this.#end);
  }

  /** What waits. What is written later goes behind it in the same slab. */
  take(): Buffer[] {
    const taken = this.#full;
    if (this.#end > this.#start) taken.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
    this.#full = [];
    this.length = 0;
    return taken;
  }
}
