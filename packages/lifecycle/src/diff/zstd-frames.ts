// Splits a zstd stream into its frames (RFC 8878, section 3.1): Node's decompressor ends with the first one, while layers of pzstd
// and zstd:chunked have many, with skippable frames between them.
import { EngineError } from '@berth/errdefs/engine-error';

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** Yields one iterable of chunks for each data frame; each must be read to its end before the next is asked for. */
export async function* zstdFrames(source: AsyncIterable<Buffer>): AsyncGenerator<AsyncIterable<Buffer>> {
  const bytes = new ByteSource(source);
  for (;;) {
    const magic = await bytes.take(4);
    if (magic.length === 0) return;
    if (magic.length < 4) throw truncated();
    const number = magic.readUInt32LE(0);
    if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) {
      const size = await bytes.take(4);
      if (size.length < 4) throw truncated();
      for await (const _ of bytes.pass(size.readUInt32LE(0)));
    } else if (number === MAGIC) yield frame(bytes, magic);
    else throw new EngineError('InvalidArgument', 'invalid zstd stream: no frame begins where one should', { layer: 'lifecycle' });
  }
}

async function* frame(bytes: ByteSource, magic: Buffer): AsyncGenerator<Buffer> {
  yield magic;
  const descriptor = await bytes.take(1);
  const flags = descriptor[0];
  if (flags === undefined) throw truncated();
  yield descriptor;
  const single = (flags & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][flags & 3] as number;
  const contentSize = [single ? 1 : 0, 2, 4, 8][flags >> 6] as number;
  yield* bytes.pass((single ? 0 : 1) + dictionary + contentSize);
  for (let last = false; !last; ) {
    const header = await bytes.take(3);
    if (header.length < 3) throw truncated();
    yield header;
    const value = header.readUIntLE(0, 3);
    last = (value & 1) === 1;
    // A run-length block holds one byte, however many it stands for.
    yield* bytes.pass(((value >> 1) & 3) === 1 ? 1 : value >> 3);
  }
  if (flags & 4) yield* bytes.pass(4);
}

class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #current: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async #refill(): Promise<boolean> {
    while (this.#current.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#current = value;
    }
    return true;
  }

  /** That many bytes, or fewer at the end. */
  async take(count: number): Promise<Buffer> {
    if (this.#current.length >= count) {
      const taken = this.#current.subarray(0, count);
      this.#current = this.#current.subarray(count);
      return taken;
    }
    const parts: Buffer[] = [];
    for await (const part of this.pass(count, true)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** That many bytes, chunk by chunk. */
  async *pass(count: number, mayEnd = false): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (!(await this.#refill())) {
        if (mayEnd) return;
        throw truncated();
      }
      const part = this.#current.subarray(0, left);
      this.#current = this.#current.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }
}

function truncated(): EngineError {
  return new EngineError('InvalidArgument', 'unexpected end of zstd stream: the layer is truncated', { layer: 'lifecycle' });
}
