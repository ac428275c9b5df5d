// The registry that a pull-through cache stands before, spoken to by the engine's own client. A repository's connections and tokens are
// kept for the next request, for as many repositories as are in use and some more.
import { readFileSync } from 'node:fs';
import { type Digest, isDigest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { readText } from '@berth/oci/registry/body';
import type { CredentialSource } from '@berth/oci/registry/credentials';
import { defaultHost, type RegistryHost } from '@berth/oci/registry/host';
import { type ManifestContent, Repository } from '@berth/oci/registry/repository';
import type { HttpResponse } from '@berth/oci/registry/transport';
import type { ProxySettings } from '../flags.ts';

const KEPT = 64;
const REFERRERS_PAGES = 100;

interface Kept {
  repository: Repository;
  uses: number;
}

export class Upstream implements Disposable {
  readonly #host: RegistryHost;
  readonly #credentials: CredentialSource;
  readonly #kept = new Map<string, Kept>();

  constructor({ url, username, password, caPath }: ProxySettings) {
    const ca = caPath === undefined ? undefined : [readFileSync(caPath, 'utf8')];
    this.#host = defaultHost(url.host, {
      scheme: url.protocol === 'http:' ? 'http' : 'https',
      path: `${url.pathname.replace(/\/$/, '')}/v2`,
      // The URL says how to speak: never less safely than that.
      plainFallback: false,
      tls: ca ? { ca } : {},
    });
    this.#credentials = async () =>
      username === undefined || password === undefined ? undefined : { kind: 'password', username, password };
  }

  get host(): string {
    return this.#host.host;
  }

  manifest(name: string, tagOrDigest: string, signal: AbortSignal): Promise<ManifestContent> {
    return this.#with(name, (repository) => repository.manifest(tagOrDigest, { signal }));
  }

  /** Undefined when there is no such manifest. */
  head(name: string, tagOrDigest: string, signal: AbortSignal): Promise<Descriptor | undefined> {
    return this.#with(name, (repository) => repository.head(tagOrDigest, signal));
  }

  tags(name: string, signal: AbortSignal): Promise<string[]> {
    return this.#with(name, (repository) => repository.tags(signal));
  }

  /** Bytes of a blob; undefined when there is no such one. */
  blobSize(name: string, digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
    return this.#with(name, async (repository) => {
      const request = { method: 'HEAD', path: `/blobs/${digest}`, expect: [200, 404], signal } as const;
      const response = await repository.upstream.request(request);
      response.resume();
      const size = Number(response.headers['content-length'] ?? Number.NaN);
      return response.statusCode === 200 && Number.isSafeInteger(size) ? size : undefined;
    });
  }

  /** What refers to a manifest, page by page; undefined when that registry has no referrers API. */
  referrers(name: string, subject: Digest, signal: AbortSignal): Promise<Descriptor[] | undefined> {
    return this.#with(name, async ({ upstream }) => {
      const found: Descriptor[] = [];
      let next: string | URL | undefined = `/referrers/${subject}`;
      for (let page = 0; next !== undefined && page < REFERRERS_PAGES; page++) {
        const request = { method: 'GET', path: next, expect: [200, 404], signal } as const;
        const response: HttpResponse = await upstream.request(request);
        const body = await readText(response);
        if (response.statusCode === 404) return undefined;
        const { manifests } = JSON.parse(body) as { manifests?: Descriptor[] };
        found.push(...(manifests ?? []).filter(({ digest }) => isDigest(digest)));
        const link: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
        next = link === undefined ? undefined : upstream.resolve(link);
      }
      return found.sort((a, b) => (a.digest < b.digest ? -1 : 1));
    });
  }

  async *blob(name: string, digest: Digest, size: number): AsyncGenerator<Buffer, void, undefined> {
    using lease = this.#lease(name);
    yield* lease.repository.blob({ mediaType: 'application/octet-stream', digest, size });
  }

  [Symbol.dispose](): void {
    for (const { repository } of this.#kept.values()) repository[Symbol.dispose]();
    this.#kept.clear();
  }

  async #with<T>(name: string, body: (repository: Repository) => Promise<T>): Promise<T> {
    using lease = this.#lease(name);
    return await body(lease.repository);
  }

  #lease(name: string): { repository: Repository } & Disposable {
    const kept = this.#kept.get(name) ?? {
      repository: new Repository({ domain: this.#host.host, path: name }, [this.#host], this.#credentials),
      uses: 0,
    };
    // Last in the map is what was used last.
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    kept.uses++;
    return {
      repository: kept.repository,
      [Symbol.dispose]: () => {
        kept.uses--;
        this.#forgetIdle();
      },
    };
  }

  #forgetIdle(): void {
    for (const [name, { repository, uses }] of this.#kept) {
      if (this.#kept.size <= KEPT) return;
      if (uses > 0) continue;
      this.#kept.delete(name);
      repository[Symbol.dispose]();
    }
  }
}
