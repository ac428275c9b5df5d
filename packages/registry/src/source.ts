// What can be read of a registry. The store is one source, a cache before another registry a second, an engine's own images a third; the
// HTTP face knows none of them.
import type { Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import type { ManifestReference } from './http/route.ts';
import { Problem } from './problem.ts';
import type { BlobContent } from './store/blobs.ts';
import type { StoredManifest } from './store/repositories.ts';
import type { Store } from './store/store.ts';

export interface Source {
  /** MANIFEST_UNKNOWN when there is none. */
  manifest(name: string, reference: ManifestReference, signal: AbortSignal): Promise<StoredManifest>;
  /** The size of a blob for a client that may build on it. BLOB_UNKNOWN when there is none. */
  blobSize(name: string, digest: Digest, signal: AbortSignal): Promise<number>;
  /** BLOB_UNKNOWN when there is none. */
  blob(name: string, digest: Digest, signal: AbortSignal): Promise<BlobContent>;
  /** In no order. */
  repositories(signal: AbortSignal): Promise<string[]>;
  /** In no order. NAME_UNKNOWN when there is no such repository. */
  tags(name: string, signal: AbortSignal): Promise<string[]>;
  /** Ordered by digest; none for a manifest that is not there. */
  referrers(name: string, subject: Digest, signal: AbortSignal): Promise<Descriptor[]>;
}

export class StoreSource implements Source {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async manifest(name: string, reference: ManifestReference): Promise<StoredManifest> {
    const { repositories } = this.#store;
    const digest = 'digest' in reference ? reference.digest : await repositories.tagged(name, reference.tag);
    const manifest = digest === undefined ? undefined : await repositories.manifest(name, digest);
    if (!manifest) throw unknownManifest(reference);
    return manifest;
  }

  async blobSize(name: string, digest: Digest): Promise<number> {
    const size = await this.#store.repositories.claimBlob(name, digest);
    if (size === undefined) throw unknownBlob(digest);
    return size;
  }

  async blob(name: string, digest: Digest): Promise<BlobContent> {
    const content = (await this.#store.repositories.hasBlob(name, digest)) ? await this.#store.blobs.open(digest) : undefined;
    if (!content) throw unknownBlob(digest);
    return content;
  }

  repositories(): Promise<string[]> {
    return this.#store.repositories.names();
  }

  async tags(name: string): Promise<string[]> {
    const { repositories } = this.#store;
    if (!(await repositories.exists(name))) throw new Problem('NAME_UNKNOWN', undefined, { detail: { name } });
    return repositories.tags(name);
  }

  referrers(name: string, subject: Digest): Promise<Descriptor[]> {
    return this.#store.repositories.referrers(name, subject);
  }
}

export function unknownManifest(reference: ManifestReference): Problem {
  return new Problem('MANIFEST_UNKNOWN', undefined, { detail: reference });
}

export function unknownBlob(digest: Digest): Problem {
  return new Problem('BLOB_UNKNOWN', undefined, { detail: { digest } });
}
