// Pushing to a repository (distribution-spec, "Push"): a blob is mounted from another repository of the same registry where
// possible, sent in one request when it is small, and in chunks that can be taken up again when it is large.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '../digest.ts';
import type { Descriptor } from '../image-spec.ts';
import type { Connection } from './connection.ts';
import { isPassing, retrying } from './retry.ts';
import type { HttpResponse } from './transport.ts';

const CHUNKED_FROM = 256 * 1024 * 1024;
const CHUNK_SIZE = 64 * 1024 * 1024;

export interface UploadOptions {
  /** Repositories on the same registry that may hold the blob already. */
  mountFrom?: readonly string[];
  /** Bytes that the registry has taken so far. */
  onProgress?: (sent: number) => void;
  /** Blobs at least this large go in chunks. Bytes. */
  chunkedFrom?: number;
  chunkSize?: number;
  signal?: AbortSignal;
}

/** A blob's bytes from an offset on; read again after a failure. */
export type BlobSource = (offset: number) => AsyncIterable<Uint8Array>;

/** Sends a blob, unless the registry has it elsewhere: then the repository that it was mounted from. */
export async function uploadBlob(
  connection: Connection,
  descriptor: Descriptor,
  source: BlobSource,
  options: UploadOptions = {},
): Promise<string | undefined> {
  const { signal } = options;
  for (const from of options.mountFrom ?? []) {
    const query = new URLSearchParams({ mount: descriptor.digest, from });
    const response = await connection.request({
      method: 'POST',
      path: `/blobs/uploads/?${query}`,
      expect: [201, 202, 404, 405],
      push: true,
      signal,
    });
    response.resume();
    if (response.statusCode === 201) return from;
    if (response.statusCode === 202) await cancelUpload(connection, response);
  }
  const chunked = descriptor.size >= (options.chunkedFrom ?? CHUNKED_FROM);
  await retrying(
    () => (chunked ? sendChunks(connection, descriptor, source, options) : sendWhole(connection, descriptor, source, options)),
    signal,
  );
  return undefined;
}

/** Puts a manifest or index under a tag or its digest; the registry refuses one whose blobs it does not have. */
export async function putManifest(
  connection: Connection,
  tagOrDigest: string,
  manifest: { mediaType: string; bytes: Uint8Array },
  signal?: AbortSignal,
): Promise<void> {
  await retrying(async () => {
    const headers = { 'content-type': manifest.mediaType, 'content-length': String(manifest.bytes.length) };
    const path = `/manifests/${tagOrDigest}`;
    const response = await connection.request({
      method: 'PUT',
      path,
      headers,
      body: manifest.bytes,
      expect: [200, 201, 202],
      push: true,
      signal,
    });
    response.resume();
  }, signal);
}

async function sendWhole(connection: Connection, descriptor: Descriptor, source: BlobSource, options: UploadOptions): Promise<void> {
  const location = await startUpload(connection, options.signal);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) };
  const body = descriptor.size === 0 ? Buffer.alloc(0) : counted(source(0), 0, options.onProgress);
  const path = finalLocation(location, descriptor.digest);
  const response = await connection.request({ method: 'PUT', path, headers, body, expect: [201, 204], push: true, signal: options.signal });
  response.resume();
}

async function sendChunks(connection: Connection, descriptor: Descriptor, source: BlobSource, options: UploadOptions): Promise<void> {
  const { signal, onProgress, chunkSize = CHUNK_SIZE } = options;
  let location = await startUpload(connection, signal);
  let offset = 0;
  while (offset < descriptor.size) {
    const end = Math.min(offset + chunkSize, descriptor.size);
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(end - offset),
      'content-range': `${offset}-${end - 1}`,
    };
    const body = counted(upTo(source(offset), end - offset), offset, onProgress);
    try {
      const response = await connection.request({ method: 'PATCH', path: location, headers, body, expect: [202, 204], push: true, signal });
      response.resume();
      location = locationOf(connection, response);
      offset = end;
    } catch (error) {
      if (!isPassing(error)) throw error;
      // The registry tells how much of the broken chunk it kept.
      const status = await retrying(() => connection.request({ method: 'GET', path: location, expect: [204], push: true, signal }), signal);
      status.resume();
      location = locationOf(connection, status);
      offset = received(status.headers.range);
    }
  }
  const headers = { 'content-length': '0' };
  const path = finalLocation(location, descriptor.digest);
  const response = await connection.request({
    method: 'PUT',
    path,
    headers,
    body: Buffer.alloc(0),
    expect: [201, 204],
    push: true,
    signal,
  });
  response.resume();
}

async function startUpload(connection: Connection, signal: AbortSignal | undefined): Promise<URL> {
  const headers = { 'content-length': '0' };
  const response = await connection.request({ method: 'POST', path: '/blobs/uploads/', headers, expect: [202], push: true, signal });
  response.resume();
  return locationOf(connection, response);
}

async function cancelUpload(connection: Connection, started: HttpResponse): Promise<void> {
  const response = await connection.request({
    method: 'DELETE',
    path: locationOf(connection, started),
    expect: [200, 202, 204, 404, 405],
    push: true,
  });
  response.resume();
}

function locationOf(connection: Connection, response: HttpResponse): URL {
  const location = response.headers.location;
  if (location === undefined) {
    throw new EngineError('Unavailable', `registry ${connection.host.host} started an upload but did not say where`, { layer: 'registry' });
  }
  return connection.resolve(location);
}

function finalLocation(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

/** `0-1023` is 1024 bytes; no header, or `0-0` of an empty upload, is none. */
function received(range: string | undefined): number {
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(range ?? '')?.[1] ?? 0);
  return last === 0 ? 0 : last + 1;
}

async function* counted(chunks: AsyncIterable<Uint8Array>, start: number, onProgress?: (sent: number) => void): AsyncGenerator<Uint8Array> {
  let sent = start;
  for await (const chunk of chunks) {
    yield chunk;
    sent += chunk.length;
    onProgress?.(sent);
  }
}

async function* upTo(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let left = limit;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, left);
    left -= Math.min(left, chunk.length);
    if (left === 0) return;
  }
}
