// GET, HEAD and DELETE of a blob ("Pulling blobs", "Deleting Blobs").
import { drained } from '@berth/api/drained';
import type { Digest } from '@berth/oci/digest';
import type { Source } from '../source.ts';
import { unknownBlob } from '../source.ts';
import type { BlobContent } from '../store/blobs.ts';
import type { Repositories } from '../store/repositories.ts';
import { entityTag, isRangeOf, isUnchanged } from './conditional.ts';
import type { Exchange } from './exchange.ts';
import { requestedRange } from './range.ts';

export async function headBlob(exchange: Exchange, source: Source, name: string, digest: Digest): Promise<void> {
  const size = await source.blobSize(name, digest, exchange.signal);
  if (isUnchanged(exchange, digest)) return exchange.empty(304, headersOf(digest));
  exchange.head(200, { ...headersOf(digest), 'content-length': size });
  exchange.end();
}

export async function getBlob(exchange: Exchange, source: Source, name: string, digest: Digest): Promise<void> {
  await using content = await source.blob(name, digest, exchange.signal);
  if (isUnchanged(exchange, digest)) return exchange.empty(304, headersOf(digest));
  const { size } = content;
  const range = isRangeOf(exchange, digest) ? requestedRange(exchange.header('range'), size) : undefined;
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const part: Record<string, string> = range ? { 'content-range': `bytes ${start}-${end}/${size}` } : {};
  exchange.head(range ? 206 : 200, { ...headersOf(digest), ...part, 'content-length': end + 1 - start });
  await send(exchange, content, start, end);
}

export async function deleteBlob(exchange: Exchange, repositories: Repositories, name: string, digest: Digest): Promise<void> {
  if (!(await repositories.unlinkBlob(name, digest))) throw unknownBlob(digest);
  exchange.empty(202);
}

/** At the client's pace: the next piece is read when the last one has left. */
async function send(exchange: Exchange, content: BlobContent, start: number, end: number): Promise<void> {
  const { response } = exchange;
  for await (const chunk of content.chunks({ start, end })) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  exchange.end();
}

function headersOf(digest: Digest): Record<string, string> {
  return {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: entityTag(digest),
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=31536000',
  };
}
