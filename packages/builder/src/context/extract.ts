// Archives to files: the context that a client sends, and what ADD unpacks.
//
// Runs in the daemon. Compression is told by the first bytes, as clients do not say it.
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { placeArchive } from '@berth/lifecycle/diff/place-archive';
import type { TreeWriterOptions } from '@berth/lifecycle/diff/tree-writer';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';

export type ArchiveKind = 'tar' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const MAGIC: readonly (readonly [kind: ArchiveKind, offset: number, bytes: string])[] = [
  ['gzip', 0, '1f8b08'],
  ['zstd', 0, '28b52ffd'],
  ['bzip2', 0, '425a68'],
  ['xz', 0, 'fd377a585a00'],
  ['tar', 257, '7573746172'],
];

/** How many bytes tell an archive from a file. */
export const SNIFF_SIZE = 512;

export function archiveKind(start: Buffer): ArchiveKind | undefined {
  return MAGIC.find(([, offset, bytes]) => start.subarray(offset, offset + bytes.length / 2).toString('hex') === bytes)?.[0];
}

/** Unpacks below `root`, a directory descriptor. An archive of nothing is fine. */
export async function extractArchive(
  threads: UnpackPool,
  source: Readable,
  root: number,
  options: TreeWriterOptions = {},
  signal?: AbortSignal,
): Promise<void> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await firstBytes(chunks);
  if (first.length === 0) return;
  try {
    await placeArchive(threads, decompressed(first, chunks), root, options, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (/^(Z_|ZSTD_|ERR_ZSTD|ERR_STREAM)/.test(code) || isKind(error, 'InvalidArgument')) {
      throw new EngineError('InvalidArgument', `Error processing tar file: ${(error as Error).message}`, {
        layer: 'builder',
        cause: error,
      });
    }
    throw error;
  }
}

async function firstBytes(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  while (size < SNIFF_SIZE) {
    const { value, done } = await chunks.next();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  return Buffer.concat(parts);
}

async function* decompressed(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  const kind = archiveKind(first);
  const whole = (async function* () {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  })();
  if (kind === 'bzip2' || kind === 'xz') {
    throw new EngineError('InvalidArgument', `archives compressed with ${kind} are not supported: use gzip or zstd`, { layer: 'builder' });
  }
  if (kind === 'gzip' || kind === 'zstd') {
    const decoder = kind === 'gzip' ? createGunzip({ chunkSize: 1 << 18 }) : createZstdDecompress({ chunkSize: 1 << 18 });
    // The reader below sees the error; the callback keeps it from being unhandled.
    yield* pipeline(whole, decoder, () => {}) as unknown as AsyncIterable<Buffer>;
  } else {
    yield* whole;
  }
}
