// ADD of an address: one file over HTTP.
//
// Runs in the daemon. Facts: the Dockerfile reference: mode 600, the time of Last-Modified, and never unpacked.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '@berth/errdefs/engine-error';

export interface DownloadOptions {
  /** `sha256:…`: what the bytes have to be. */
  checksum?: string;
  signal: AbortSignal;
}

/** When the file was changed last: 1970 when the server does not say. */
export async function download(url: string, file: string, { checksum, signal }: DownloadOptions): Promise<{ modified: Date }> {
  const response = await fetch(url, { signal }).catch((cause: Error) => {
    throw new EngineError(
      'Unavailable',
      `ADD failed: failed to GET ${url}: ${(cause.cause as Error | undefined)?.message ?? cause.message}`,
      { layer: 'builder', cause },
    );
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new EngineError('NotFound', `ADD failed: failed to GET ${url} with status ${response.status} ${response.statusText}`, {
      layer: 'builder',
    });
  }
  const hash = createHash('sha256');
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(
    Readable.fromWeb(response.body as import('node:stream/web').ReadableStream),
    counted,
    createWriteStream(file, { mode: 0o600 }),
    { signal },
  );
  const digest = `sha256:${hash.digest('hex')}`;
  if (checksum !== undefined && checksum !== digest)
    throw new EngineError('InvalidArgument', `digest mismatch ${digest}: ${checksum}`, { layer: 'builder' });
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  return { modified: new Date(Number.isNaN(modified) ? 0 : modified) };
}
