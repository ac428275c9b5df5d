// Pushing blobs ("Pushing blobs"): in one POST, POST and PUT, or POST, PATCHes and PUT; mounts from another repository; the state of an
// upload and its end. Locations are paths, so that they hold behind any proxy.
import type { Digest } from '@berth/oci/digest';
import { isRepositoryPath } from '@berth/oci/reference';
import { Problem } from '../problem.ts';
import type { Store } from '../store/store.ts';
import type { Exchange } from './exchange.ts';
import { chunkRange, receivedRange } from './range.ts';
import { parseDigestOf } from './route.ts';

export interface MountRules {
  /** Whether this client may read the repository, of which it wants to mount a blob. */
  mayPull(name: string): boolean;
  /** Whether it may read every repository, so that a blob may be taken from wherever it is. */
  mayPullAll: boolean;
}

export async function startUpload(exchange: Exchange, store: Store, name: string, rules: MountRules): Promise<void> {
  const { query } = exchange;
  const mount = query.get('mount');
  if (mount !== null) {
    const digest = parseDigestOf(mount);
    if (await mounted(store, name, digest, query.get('from') ?? undefined, rules)) return created(exchange, name, digest);
  }
  const digest = query.get('digest');
  const whole = digest !== null && exchange.contentLength !== 0 && hasBody(exchange);
  const expected = whole ? parseDigestOf(digest) : undefined;
  const id = await store.uploads.start(name);
  if (expected === undefined) return accepted(exchange, 202, name, id, 0);
  try {
    await store.uploads.append(name, id, exchange.body(), { length: exchange.contentLength });
    await finish(store, name, id, expected);
  } catch (error) {
    // Nobody learnt of this upload: it cannot go on.
    await store.uploads.remove(id);
    throw error;
  }
  created(exchange, name, expected);
}

export async function uploadStatus(exchange: Exchange, store: Store, name: string, id: string): Promise<void> {
  accepted(exchange, 204, name, id, await store.uploads.sizeOf(name, id));
}

export async function appendChunk(exchange: Exchange, store: Store, name: string, id: string): Promise<void> {
  accepted(exchange, 202, name, id, await receive(exchange, store, name, id));
}

/** The last chunk may come with the end of the upload. */
export async function finishUpload(exchange: Exchange, store: Store, name: string, id: string): Promise<void> {
  const text = exchange.query.get('digest');
  if (text === null) throw new Problem('DIGEST_INVALID', 'the upload is finished by ?digest=<digest>, which is missing');
  const digest = parseDigestOf(text);
  await receive(exchange, store, name, id);
  await finish(store, name, id, digest);
  created(exchange, name, digest);
}

export async function cancelUpload(exchange: Exchange, store: Store, name: string, id: string): Promise<void> {
  await store.uploads.cancel(name, id);
  exchange.empty(204);
}

async function receive(exchange: Exchange, store: Store, name: string, id: string): Promise<number> {
  const range = chunkRange(exchange.header('content-range'));
  const length = exchange.contentLength;
  if (range && length !== undefined && length !== range.end - range.start + 1)
    throw new Problem('SIZE_INVALID', `Content-Range ${range.start}-${range.end} and Content-Length ${length} do not agree`);
  try {
    return await store.uploads.append(name, id, exchange.body(), {
      ...(range ? { start: range.start, length: range.end - range.start + 1 } : {}),
      interrupt: () => exchange.interrupt(),
    });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'RANGE_INVALID') throw error;
    const headers = { ...headersOf(name, id), range: receivedRange(await store.uploads.sizeOf(name, id)) };
    throw new Problem('RANGE_INVALID', error.message, { headers });
  }
}

/** Bytes, then the repository's link to them, then the end of the upload: each step can be repeated after the server died. */
async function finish(store: Store, name: string, id: string, digest: Digest): Promise<void> {
  await store.uploads.finish(name, id, digest);
  await store.repositories.linkBlob(name, digest);
  await store.uploads.remove(id);
}

async function mounted(store: Store, name: string, digest: Digest, from: string | undefined, rules: MountRules): Promise<boolean> {
  if (from === undefined) {
    if (!rules.mayPullAll || !(await store.blobs.touch(digest))) return false;
  } else if (!isRepositoryPath(from) || !rules.mayPull(from) || (await store.repositories.claimBlob(from, digest)) === undefined) {
    return false;
  }
  await store.repositories.linkBlob(name, digest);
  return true;
}

function hasBody(exchange: Exchange): boolean {
  return exchange.contentLength !== undefined || exchange.header('transfer-encoding') !== undefined;
}

function accepted(exchange: Exchange, status: 202 | 204, name: string, id: string, size: number): void {
  exchange.empty(status, { ...headersOf(name, id), range: receivedRange(size) });
}

function created(exchange: Exchange, name: string, digest: Digest): void {
  exchange.empty(201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
}

function headersOf(name: string, id: string): Record<string, string> {
  return { location: `/v2/${name}/blobs/uploads/${id}`, 'docker-upload-uuid': id };
}
