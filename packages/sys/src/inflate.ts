// zlib's inflate(3) for gzip, on memory that the caller owns: node:zlib gives every chunk a new buffer, and for hundreds of megabytes the
// garbage collector costs as much as the system calls. The library is the one inside Node's own binary, which exports it for addons.
// A step runs in libuv's thread pool, so the caller goes on with what the last one gave. Used by unpack workers.
import { bind, type CFunction, memoryAddress } from './libc.ts';

type Asynchronous = CFunction & { async(...args: unknown[]): void };

const cInit = bind('int inflateInit2_(uintptr_t, int, const char*, int)');
const cInflate = bind('int inflate(uintptr_t, int)') as Asynchronous;
const cReset = bind('int inflateReset(uintptr_t)');
const cEnd = bind('int inflateEnd(uintptr_t)');
const zlibVersion = bind<string>('const char* zlibVersion()');

/** sizeof(z_stream) and its fields, the same on every 64-bit machine (zlib.h). */
const STREAM_SIZE = 112;
const NEXT_IN = 0;
const AVAIL_IN = 8;
const NEXT_OUT = 24;
const AVAIL_OUT = 32;
/** The largest window, and gzip's header and trailer (zlib.h, inflateInit2). */
const GZIP = 15 + 16;
const Z_NO_FLUSH = 0;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_MEM_ERROR = -4;
const Z_BUF_ERROR = -5;

export interface InflateStep {
  /** Bytes taken from the input and put into the output. */
  read: number;
  written: number;
  /** `end`: a gzip member is complete, its checksum and length are right. `invalid`: the input is no gzip. */
  outcome: 'more' | 'end' | 'invalid';
}

/** One gzip stream. Not to be disposed of while a step runs. */
export class Inflater implements Disposable {
  /** zlib remembers where this is: it must not move, and does not, being too large for V8's own heap. */
  readonly #stream = Buffer.alloc(STREAM_SIZE);
  readonly #address = memoryAddress(this.#stream);

  constructor() {
    if (cInit(this.#address, GZIP, zlibVersion(), STREAM_SIZE) !== Z_OK) throw new Error('zlib could not be started');
  }

  /** Neither buffer may be touched until the promise resolves. */
  step(input: Uint8Array, output: Uint8Array): Promise<InflateStep> {
    const stream = this.#stream;
    stream.writeBigUInt64LE(BigInt(memoryAddress(input)), NEXT_IN);
    stream.writeUInt32LE(input.length, AVAIL_IN);
    stream.writeBigUInt64LE(BigInt(memoryAddress(output)), NEXT_OUT);
    stream.writeUInt32LE(output.length, AVAIL_OUT);
    return new Promise((resolve, reject) => {
      cInflate.async(this.#address, Z_NO_FLUSH, (error: Error | null, result: number) => {
        if (error || result === Z_MEM_ERROR) {
          reject(error ?? new Error('zlib is out of memory'));
          return;
        }
        const read = input.length - stream.readUInt32LE(AVAIL_IN);
        const written = output.length - stream.readUInt32LE(AVAIL_OUT);
        const outcome = result === Z_STREAM_END ? 'end' : result === Z_OK || result === Z_BUF_ERROR ? 'more' : 'invalid';
        resolve({ read, written, outcome });
      });
    });
  }

  /** Ready for another member. */
  reset(): void {
    cReset(this.#address);
  }

  [Symbol.dispose](): void {
    cEnd(this.#address);
  }
}
