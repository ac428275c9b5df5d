// ADD of an address: one file over HTTP.
//
// Runs in the daemon. Facts: the Dockerfile reference: mode 600, the time of Last-Modified, and never unpacked.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { openAddress } from '@berth/oci/registry/open-address';

export interface DownloadOptions {
  /** `sha256:…`: what the bytes have to be. */
  checksum?: string;
  signal: AbortSignal;
}

/** When the file was changed last: 1970 when the server does not say. */
export async function download(url: string, file: string, { checksum, signal }: DownloadOptions): Promise<{ modified: Date }> {
  using opened = await openAddress(new URL(url), signal).catch((cause: Error) => {
    throw new EngineError('Unavailable', `ADD failed: failed to GET ${url}: ${cause.message}`, { layer: 'builder', cause });
  });
  const { response, body } = opened;
  if (response.statusCode !== 200) {
    throw new EngineError(
      'NotFound',
      `ADD failed: failed to GET ${url} with status ${response.statusCode} ${response.statusMessage ?? ''}`,
      {
        layer: 'builder',
      },
    );
  }
  const hash = createHash('sha256');
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(body, counted, createWriteStream(file, { mode: 0o600 }), { signal });
  const digest = `sha256:${hash.digest('hex')}`;
  if (checksum !== undefined && checksum !== digest)
    throw new EngineError('InvalidArgument', `digest mismatch ${digest}: ${checksum}`, { layer: 'builder' });
  const modified = Date.parse(response.headers['last-modified'] ?? '');
  return { modified: new Date(Number.isNaN(modified) ? 0 : modified) };
}
