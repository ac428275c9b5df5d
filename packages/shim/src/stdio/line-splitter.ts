// Cuts a stream of bytes into the entries of a log: a line each, long lines in pieces of at most 16 KiB (Docker's partial
// messages: only a line's last piece ends in a newline). A piece never ends inside a UTF-8 sequence.

/** Bytes of an entry, its newline included only when the line is whole. */
export const MAX_PIECE = 16 * 1024;
const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #emit: (piece: Buffer) => void;
  #rest: Buffer | undefined;

  /** `emit` gets each piece with its newline, if it has one; the memory may be the caller's own chunk. */
  constructor(emit: (piece: Buffer) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    let buffer = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (buffer.length > 0) {
      const newline = buffer.indexOf(NEWLINE);
      if (newline >= 0 && newline < MAX_PIECE) buffer = this.#cut(buffer, newline + 1);
      else if (buffer.length >= MAX_PIECE) buffer = this.#cut(buffer, wholeCharacters(buffer, MAX_PIECE));
      else break;
    }
    if (buffer.length > 0) this.#rest = Buffer.from(buffer);
  }

  /** The stream's end: what is left is a line without its newline. */
  flush(): void {
    if (this.#rest) this.#emit(this.#rest);
    this.#rest = undefined;
  }

  #cut(buffer: Buffer, at: number): Buffer {
    this.#emit(buffer.subarray(0, at));
    return buffer.subarray(at);
  }
}

/** `end`, or the start of the UTF-8 sequence that `end` would cut. Bytes that are no UTF-8 are cut anywhere. */
function wholeCharacters(buffer: Buffer, end: number): number {
  for (let back = 1; back <= 3; back++) {
    const byte = buffer[end - back] as number;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? end - back : end;
    }
  }
  return end;
}
