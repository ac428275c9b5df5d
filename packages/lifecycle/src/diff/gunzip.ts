// A layer's bytes out of gzip (RFC 1952), any number of members one after another, zeros after the last one allowed, as gzip(1) and
// Go's reader have it. Two buffers take turns: while the reader works on one, the thread pool fills the other. Runs in an unpack worker.
import { EngineError } from '@berth/errdefs/engine-error';
import { Inflater } from '@berth/sys/inflate';

const CHUNK = 256 * 1024;

/** Each chunk is good until the next one is asked for; so may be those of `source`. Stopping early ends the source as well. */
export async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  using members = new Members(source[Symbol.asyncIterator]());
  const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)] as const;
  let filling = members.fill(buffers[0]);
  try {
    for (let turn = 0; ; turn++) {
      const size = await filling;
      if (size === 0) return;
      filling = members.fill(buffers[(turn + 1) % 2] as Buffer);
      // Its failure is told when the reader comes for it.
      filling.catch(() => {});
      yield (buffers[turn % 2] as Buffer).subarray(0, size);
    }
  } finally {
    await filling.catch(() => {});
    await members.close();
  }
}

class Members implements Disposable {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #inflater = new Inflater();
  #input: Buffer = Buffer.alloc(0);
  /** Between two members, or after the last. */
  #between = false;
  #over = false;

  constructor(chunks: AsyncIterator<Buffer>) {
    this.#chunks = chunks;
  }

  /** Bytes put into `output`: less than it holds at the end only. */
  async fill(output: Buffer): Promise<number> {
    let size = 0;
    while (size < output.length && !this.#over) {
      if (this.#input.length === 0 && !(await this.#refill())) break;
      if (this.#between) {
        if (this.#input[0] === 0) break;
        this.#inflater.reset();
        this.#between = false;
      }
      const { read, written, outcome } = await this.#inflater.step(this.#input, output.subarray(size));
      this.#input = this.#input.subarray(read);
      size += written;
      if (outcome === 'invalid') throw invalid('its bytes are damaged, or no gzip');
      this.#between = outcome === 'end';
    }
    if (size < output.length) this.#over = true;
    return size;
  }

  async #refill(): Promise<boolean> {
    const { value, done } = await this.#chunks.next();
    if (!done) this.#input = value;
    else if (!this.#between) throw invalid('unexpected end of file');
    return !done;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  [Symbol.dispose](): void {
    this.#inflater[Symbol.dispose]();
  }
}

function invalid(reason: string): EngineError {
  return new EngineError('InvalidArgument', `invalid gzip stream in layer: ${reason}`, { layer: 'lifecycle' });
}
