// A layer's bytes unpacked: gzip (any number of members), zstd (any number of frames) or plain, told by the first bytes, because media
// types are known to lie. Decompression happens in the thread pool, so that it overlaps with unpacking.
import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { gunzip } from './gunzip.ts';
import { zstdFrames } from './zstd-frames.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

const CHUNK = 256 * 1024;

export function compressionAt(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  const [a, b, c, d] = start;
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  return 'none';
}

/** The uncompressed bytes of `source`; each chunk, here and there, is good until the next one is asked for. Stopping early ends the source as well. */
export async function* decompress(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  const { value: first, done } = await chunks.next();
  if (done) return;
  const whole = resume(first as Buffer, chunks);
  switch (compressionAt(first as Buffer)) {
    case 'gzip':
      yield* gunzip(whole);
      return;
    case 'zstd':
      for await (const frame of zstdFrames(copied(whole))) yield* unzstd(frame);
      return;
    case 'none':
      yield* whole;
  }
}

async function* resume(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    for (;;) {
      const { value, done } = await rest.next();
      if (done) return;
      yield value;
    }
  } finally {
    await rest.return?.();
  }
}

/** For readers that keep chunks. */
async function* copied(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of source) yield Buffer.from(chunk);
}

async function* unzstd(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = createZstdDecompress({ chunkSize: CHUNK });
  try {
    // The error reaches the reader below by way of the decoder; the callback only keeps it from being unhandled.
    yield* pipeline(Readable.from(source, { objectMode: true, highWaterMark: 2 }), decoder, () => {}) as unknown as AsyncIterable<Buffer>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!/^(Z_|ZSTD_|ERR_ZSTD)/.test(code)) throw error;
    throw new EngineError('InvalidArgument', `invalid zstd stream in layer: ${toEngineError(error).message}`, {
      layer: 'lifecycle',
      cause: error,
    });
  }
}
