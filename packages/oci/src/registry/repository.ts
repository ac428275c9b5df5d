// A repository of a registry, as the distribution-spec serves it ("Pull" and "Content Discovery"): manifests by tag or digest and
// blobs by digest, over every host that serves the repository, mirrors first. What is read is checked against digest and size.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { type Digest, digestOf, encodedOf, isDigest, parseDigest, Verifier } from '../digest.ts';
import { type Descriptor, isForeignLayerType, MANIFEST_TYPES } from '../image-spec.ts';
import { canonicalName, type Reference } from '../reference.ts';
import { bodyOf } from './body.ts';
import { Connection } from './connection.ts';
import type { CredentialSource } from './credentials.ts';
import { ForeignServers } from './foreign-servers.ts';
import type { HostSource, RegistryHost } from './host.ts';
import { LEAST_PROGRESS } from './patience.ts';
import { problemOf } from './registry-error.ts';
import { ATTEMPTS, retrying } from './retry.ts';
import { type HttpResponse, isConnectionFailure } from './transport.ts';

/** A manifest larger than this is refused before it is read (the limit that the distribution-spec advises registries to allow). */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

export interface ManifestContent {
  descriptor: Descriptor;
  bytes: Buffer;
}

export interface RepositoryOptions {
  reference: Reference;
  hosts: HostSource;
  credentials: CredentialSource;
  /** How often a request is tried; 5 when not given. */
  attempts?: number | undefined;
}

export class Repository implements Disposable {
  readonly name: string;
  readonly path: string;
  readonly #connections: readonly Connection[];
  readonly #foreign = new ForeignServers();
  readonly #attempts: number;

  constructor(reference: Reference, hosts: readonly RegistryHost[], credentials: CredentialSource, attempts = ATTEMPTS) {
    this.name = canonicalName(reference);
    this.path = reference.path;
    this.#connections = hosts.map((host) => new Connection(host, reference.path, credentials));
    this.#attempts = attempts;
  }

  static async open(options: RepositoryOptions): Promise<Repository> {
    const { reference, hosts, credentials, attempts } = options;
    return new Repository(reference, await hosts.hostsFor(reference.domain), credentials, attempts);
  }

  /** The manifest or index behind a tag or digest, read whole in one request. */
  async manifest(tagOrDigest: string, options: { signal?: AbortSignal; accept?: readonly string[] } = {}): Promise<ManifestContent> {
    const { signal, accept = MANIFEST_TYPES } = options;
    return this.#firstHost('resolve', (connection) =>
      retrying(
        async () => {
          const response = await connection.request({
            method: 'GET',
            path: `/manifests/${tagOrDigest}`,
            headers: { accept: [...accept, '*/*'].join(', ') },
            expect: [200],
            signal,
          });
          return checkedManifest(tagOrDigest, response, await readLimited(response, MANIFEST_LIMIT, tagOrDigest));
        },
        signal,
        this.#attempts,
      ),
    );
  }

  /** The descriptor of a tag or digest without its content, as far as the registry tells it; undefined when there is none. */
  async head(tagOrDigest: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    return this.#firstHost('resolve', async (connection) => {
      const headers = { accept: [...MANIFEST_TYPES, '*/*'].join(', ') };
      const response = await connection.request({ method: 'HEAD', path: `/manifests/${tagOrDigest}`, headers, expect: [200, 404], signal });
      response.resume();
      const digest = response.headers['docker-content-digest'];
      if (response.statusCode === 404 || typeof digest !== 'string' || !isDigest(digest)) return undefined;
      return { mediaType: mediaTypeOf(response), digest, size: Number(response.headers['content-length'] ?? 0) };
    });
  }

  /** Every tag, page by page (the Link header names the next one). */
  async tags(signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let next: string | URL | undefined = '/tags/list';
    while (next !== undefined) {
      const path: string | URL = next;
      const response: HttpResponse = await retrying(() => this.upstream.request({ method: 'GET', path, expect: [200], signal }), signal);
      const page = JSON.parse((await readLimited(response, MANIFEST_LIMIT, 'tag list')).toString('utf8')) as { tags?: string[] | null };
      tags.push(...(page.tags ?? []));
      const link: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
      next = link === undefined ? undefined : this.upstream.resolve(link);
    }
    return tags;
  }

  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const response = await this.upstream.request({ method: 'HEAD', path: `/blobs/${digest}`, expect: [200, 404], signal });
    response.resume();
    return response.statusCode === 200;
  }

  /**
   * A blob's bytes from `offset` on, exactly to the end that its descriptor names. A connection that breaks is taken up again where
   * it broke. The digest is not checked here: the content store does that while it writes; others use `verified`.
   */
  async *blob(descriptor: Descriptor, options: { offset?: number; signal?: AbortSignal } = {}): AsyncGenerator<Buffer, void, undefined> {
    const { signal } = options;
    let offset = options.offset ?? 0;
    let stalled = 0;
    while (offset < descriptor.size) {
      const response = await this.#blobFrom(descriptor, offset, signal);
      const before = offset;
      try {
        // A registry that cannot send a range sends all: what is known already is left out.
        let skip = response.statusCode === 206 ? 0 : offset;
        for await (const chunk of bodyOf(response)) {
          const rest = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          if (rest.length === 0) continue;
          offset += rest.length;
          if (offset > descriptor.size) throw wrongSize(descriptor, offset);
          yield rest;
        }
        if (offset < descriptor.size) throw Object.assign(new Error('unexpected EOF'), { code: 'ECONNRESET' });
      } catch (error) {
        signal?.throwIfAborted();
        stalled = offset - before >= LEAST_PROGRESS ? 0 : stalled + 1;
        if (stalled >= this.#attempts || !isConnectionFailure(error)) throw shortened(error, descriptor, offset);
      } finally {
        response.destroy();
      }
    }
  }

  /** The registry itself, which pushes go to. */
  get upstream(): Connection {
    const connection = this.#connections.findLast((candidate) => candidate.host.may.push) ?? this.#connections.at(-1);
    if (!connection) throw new EngineError('NotFound', `no registry host is configured for ${this.name}`, { layer: 'registry' });
    return connection;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection[Symbol.dispose]();
    this.#foreign[Symbol.dispose]();
  }

  async #blobFrom(descriptor: Descriptor, offset: number, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const request = { method: 'GET', path: `/blobs/${descriptor.digest}`, headers, expect: [200, 206], signal } as const;
    try {
      return await this.#firstHost('pull', (connection) => retrying(() => connection.request(request), signal, this.#attempts));
    } catch (error) {
      if (problemOf(error)?.status === 416) throw endsEarly(descriptor, offset, error);
      const { urls = [], mediaType } = descriptor;
      if (!isKind(error, 'NotFound') || urls.length === 0 || !isForeignLayerType(mediaType)) throw error;
      return retrying(() => this.#foreign.open(urls, headers, signal), signal, this.#attempts);
    }
  }

  /** The answer of the first host that has one; the error of the last, which is the registry itself. */
  async #firstHost<T>(need: 'pull' | 'resolve', ask: (connection: Connection) => Promise<T>): Promise<T> {
    const able = this.#connections.filter((connection) => connection.host.may[need]);
    for (const connection of able.slice(0, -1)) {
      try {
        return await ask(connection);
      } catch (error) {
        if (isKind(error, 'Cancelled') || (error as Error).name === 'AbortError') throw error;
      }
    }
    const last = able.at(-1);
    if (!last) throw new EngineError('NotFound', `no registry host of ${this.name} may ${need}`, { layer: 'registry' });
    return ask(last);
  }
}

/** Passes chunks on and throws DataLoss at the end when their digest is not the descriptor's. */
export async function* verified(descriptor: Descriptor, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const verifier = new Verifier(descriptor.digest);
  for await (const chunk of chunks) {
    verifier.update(chunk);
    yield chunk;
  }
  if (verifier.size !== descriptor.size) throw wrongSize(descriptor, verifier.size);
  if (verifier.digest() !== descriptor.digest) throw verificationFailed(descriptor);
}

/** Docker's wording for a layer whose bytes are not what its manifest promised. */
export function verificationFailed(descriptor: Descriptor): EngineError {
  return new EngineError('DataLoss', `filesystem layer verification failed for digest ${descriptor.digest}`, {
    layer: 'registry',
    details: { digest: descriptor.digest, size: descriptor.size },
  });
}

function checkedManifest(asked: string, response: HttpResponse, bytes: Buffer): ManifestContent {
  const told = response.headers['docker-content-digest'];
  const expected = isDigest(asked) ? asked : typeof told === 'string' && isDigest(told) ? parseDigest(told) : digestOf(bytes);
  const verifier = new Verifier(expected);
  verifier.update(bytes);
  if (verifier.digest() !== expected) {
    throw new EngineError('DataLoss', `manifest verification failed for digest ${expected}`, {
      layer: 'registry',
      details: { digest: expected },
    });
  }
  return { descriptor: { mediaType: mediaTypeOf(response, bytes), digest: expected, size: bytes.length }, bytes };
}

/** The type in the header; registries that answer a general one are asked through the document itself. */
function mediaTypeOf(response: HttpResponse, bytes?: Buffer): string {
  const header = (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '';
  if (header !== '' && !['application/json', 'text/plain', 'application/octet-stream'].includes(header)) return header;
  if (bytes === undefined) return header;
  try {
    return (JSON.parse(bytes.toString('utf8')) as { mediaType?: string }).mediaType ?? header;
  } catch {
    return header;
  }
}

async function readLimited(response: HttpResponse, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyOf(response)) {
    size += chunk.length;
    if (size > limit)
      throw new EngineError('InvalidArgument', `manifest ${what} is larger than ${limit} bytes: refused`, { layer: 'registry' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function wrongSize(descriptor: Descriptor, size: number): EngineError {
  const name = encodedOf(descriptor.digest).slice(0, 12);
  return new EngineError(
    'DataLoss',
    `blob ${name} is larger than the ${descriptor.size} bytes of its descriptor (${size} so far): refused`,
    {
      layer: 'registry',
      details: { digest: descriptor.digest },
    },
  );
}

function endsEarly(descriptor: Descriptor, offset: number, cause: unknown): EngineError {
  return new EngineError(
    'DataLoss',
    `blob ${encodedOf(descriptor.digest).slice(0, 12)} ends at the registry after ${offset} of the ${descriptor.size} bytes of its descriptor: the image is damaged there`,
    { layer: 'registry', details: { digest: descriptor.digest }, cause },
  );
}

function shortened(error: unknown, descriptor: Descriptor, offset: number): unknown {
  if (error instanceof EngineError) return error;
  return new EngineError(
    'Unavailable',
    `download of ${descriptor.digest} broke off after ${offset} of ${descriptor.size} bytes: ${(error as Error).message}`,
    {
      layer: 'registry',
      details: { digest: descriptor.digest, offset },
      cause: error,
    },
  );
}
