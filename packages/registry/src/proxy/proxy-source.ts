// A pull-through cache: content that is named by its digest comes from the store once it is there; a tag is looked up upstream each time,
// and answered from the store when upstream cannot be reached. Nothing is fetched twice at once.
import { isKind } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import type { ManifestReference } from '../http/route.ts';
import { Problem } from '../problem.ts';
import { type Source, StoreSource, unknownBlob, unknownManifest } from '../source.ts';
import type { BlobContent } from '../store/blobs.ts';
import type { StoredManifest } from '../store/repositories.ts';
import type { Store } from '../store/store.ts';
import { Download } from './download.ts';
import type { Upstream } from './upstream.ts';

export class ProxySource implements Source {
  readonly #store: Store;
  readonly #local: StoreSource;
  readonly #upstream: Upstream;
  readonly #downloads = new Map<string, Promise<Download>>();
  readonly #manifests = new Map<string, Promise<StoredManifest>>();

  constructor(store: Store, upstream: Upstream) {
    this.#store = store;
    this.#local = new StoreSource(store);
    this.#upstream = upstream;
  }

  async manifest(name: string, reference: ManifestReference, signal: AbortSignal): Promise<StoredManifest> {
    if ('digest' in reference)
      return (await this.#store.repositories.manifest(name, reference.digest)) ?? this.#fetchManifest(name, reference);
    try {
      const current = await this.#upstream.head(name, reference.tag, signal);
      if (!current) throw unknownManifest(reference);
      const known = await this.#store.repositories.manifest(name, current.digest);
      if (!known) return await this.#fetchManifest(name, reference);
      if ((await this.#store.repositories.tagged(name, reference.tag)) !== current.digest)
        await this.#store.repositories.setTag(name, reference.tag, known.digest);
      return known;
    } catch (error) {
      signal.throwIfAborted();
      if (!isUnreachable(error)) throw this.#worded(error, unknownManifest(reference));
      return this.#local.manifest(name, reference).catch(() => {
        throw this.#worded(error, unknownManifest(reference));
      });
    }
  }

  async blobSize(name: string, digest: Digest, signal: AbortSignal): Promise<number> {
    const size = (await this.#store.repositories.claimBlob(name, digest)) ?? (await this.#sizeAbove(name, digest, signal));
    if (size === undefined) throw unknownBlob(digest);
    return size;
  }

  async blob(name: string, digest: Digest): Promise<BlobContent> {
    const key = `${name}@${digest}`;
    const local = () => this.#local.blob(name, digest).catch(() => undefined);
    const stored = await local();
    if (stored) return stored;
    const running = this.#downloads.get(key) ?? this.#download(name, digest);
    this.#downloads.set(key, running);
    try {
      const download = await running;
      const content = (await download.open()) ?? (await local());
      if (content) return content;
      // It ended between the two looks, and not in the store: the reason is its own.
      await download.ended;
      throw unknownBlob(digest);
    } catch (error) {
      if (this.#downloads.get(key) === running) this.#downloads.delete(key);
      throw this.#worded(error, unknownBlob(digest));
    }
  }

  repositories(): Promise<string[]> {
    return this.#local.repositories();
  }

  async tags(name: string, signal: AbortSignal): Promise<string[]> {
    try {
      return await this.#upstream.tags(name, signal);
    } catch (error) {
      if (!isUnreachable(error)) throw this.#worded(error, new Problem('NAME_UNKNOWN', undefined, { detail: { name } }));
      return this.#local.tags(name);
    }
  }

  /** Those above; of a registry that cannot tell, or cannot be reached, those that were pulled through. */
  async referrers(name: string, subject: Digest, signal: AbortSignal): Promise<Descriptor[]> {
    try {
      return (await this.#upstream.referrers(name, subject, signal)) ?? (await this.#local.referrers(name, subject));
    } catch (error) {
      if (!isUnreachable(error)) throw this.#worded(error, unknownManifest({ digest: subject }));
      return this.#local.referrers(name, subject);
    }
  }

  #fetchManifest(name: string, reference: ManifestReference): Promise<StoredManifest> {
    const wanted = 'digest' in reference ? reference.digest : reference.tag;
    const key = `${name} ${wanted}`;
    const fetch = async () => {
      try {
        // Not the client's signal: others may be waiting for the same one.
        const { descriptor, bytes } = await this.#upstream.manifest(name, wanted, AbortSignal.timeout(60_000));
        const manifest = { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes };
        await this.#store.repositories.putManifest(name, manifest);
        if ('tag' in reference) await this.#store.repositories.setTag(name, reference.tag, manifest.digest);
        return manifest;
      } catch (error) {
        throw 'tag' in reference && isUnreachable(error) ? error : this.#worded(error, unknownManifest(reference));
      } finally {
        this.#manifests.delete(key);
      }
    };
    const running = this.#manifests.get(key) ?? fetch();
    this.#manifests.set(key, running);
    return running;
  }

  async #download(name: string, digest: Digest): Promise<Download> {
    const size = await this.#upstream.blobSize(name, digest);
    if (size === undefined) throw unknownBlob(digest);
    const chunks = this.#upstream.blob(name, digest, size);
    const download = await Download.start({ store: this.#store, name, digest, size, chunks });
    const forget = () => void this.#downloads.delete(`${name}@${digest}`);
    download.ended.then(forget, forget);
    return download;
  }

  async #sizeAbove(name: string, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    try {
      return await this.#upstream.blobSize(name, digest, signal);
    } catch (error) {
      throw this.#worded(error, unknownBlob(digest));
    }
  }

  /** What the client is told of a failure above. */
  #worded(error: unknown, missing: Problem): unknown {
    if (error instanceof Problem) return error;
    const host = this.#upstream.host;
    if (isKind(error, 'NotFound')) return missing;
    const reason = `${host}: ${(error as Error).message}`;
    if (isKind(error, 'Unauthenticated') || isKind(error, 'PermissionDenied')) return new Problem('DENIED', reason, { cause: error });
    if (isKind(error, 'ResourceExhausted')) return new Problem('TOOMANYREQUESTS', reason, { cause: error });
    return new Problem('UNAVAILABLE', reason, { status: 502, cause: error });
  }
}

/** The upstream did not answer, or not with what was asked: what is known may still serve. */
function isUnreachable(error: unknown): boolean {
  return isKind(error, 'Unavailable') || isKind(error, 'ResourceExhausted') || (error as Error | undefined)?.name === 'TimeoutError';
}
