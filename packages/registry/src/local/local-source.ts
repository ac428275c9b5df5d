// The images of an engine as a registry offers them, read where they are: names from the lifecycle service's image store (containerd's
// API, so containerd's own images are offered as well), manifests and blobs from its content store. Nothing is copied, nothing can be
// changed. A repository serves what its images lead to and is here; of an index that was pulled in part, that part.
import { isKind } from '@berth/errdefs/engine-error';
import { type Digest, isDigest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { DEFAULT_DOMAIN, parseReference, type Reference, tryParseReference } from '@berth/oci/reference';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { GrpcConnection, type ServiceClient } from '@berth/rpc/grpc/client';
import type { ManifestReference } from '../http/route.ts';
import { Problem } from '../problem.ts';
import { type Source, unknownBlob, unknownManifest } from '../source.ts';
import type { BlobContent } from '../store/blobs.ts';
import { parseManifest } from '../store/manifest-document.ts';
import type { StoredManifest } from '../store/repositories.ts';

/** Manifests are read whole; the specification's limit for them. Bytes. */
const MANIFEST_LIMIT = 4 << 20;

/** Everything that one name leads to. Content never changes, so neither does this, but for what is pulled later. */
interface Tree {
  readonly manifests: ReadonlyMap<Digest, StoredManifest>;
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
}

interface Named {
  readonly reference: Reference;
  readonly target: Descriptor;
}

export class LocalSource implements Source, Disposable {
  readonly #connection: GrpcConnection;
  readonly #content: ServiceClient<typeof Content>;
  readonly #images: ServiceClient<typeof Images>;

  /** `address`: the lifecycle service's socket. */
  constructor({ address, namespace }: { address: string; namespace: string }) {
    this.#connection = new GrpcConnection(address, { namespace });
    this.#content = this.#connection.client(Content);
    this.#images = this.#connection.client(Images);
  }

  /** Unavailable when no service answers. */
  ready(): Promise<void> {
    return this.#connection.ready(5_000);
  }

  async repositories(): Promise<string[]> {
    return [...new Set((await this.#named()).map(({ reference }) => repositoryName(reference)))];
  }

  async manifest(name: string, reference: ManifestReference): Promise<StoredManifest> {
    const images = await this.#imagesOf(name);
    if ('digest' in reference) {
      for (const { target } of images) {
        const found = (await this.#tree(target)).manifests.get(reference.digest);
        if (found) return found;
      }
    } else {
      const tagged = images.find((image) => image.reference.tag === reference.tag);
      const found = tagged && (await this.#read(tagged.target));
      if (found) return found;
    }
    throw unknownManifest(reference);
  }

  async blobSize(name: string, digest: Digest): Promise<number> {
    for (const { target } of await this.#imagesOf(name)) {
      const blob = (await this.#tree(target)).blobs.get(digest);
      if (blob && (await this.#isHere(digest))) return blob.size;
    }
    throw unknownBlob(digest);
  }

  async blob(name: string, digest: Digest, signal: AbortSignal): Promise<BlobContent> {
    const size = await this.blobSize(name, digest);
    const content = this.#content;
    return {
      size,
      async *chunks({ start, end }) {
        for await (const { data } of content.read({ digest, offset: start, size: end - start + 1 }, { signal })) yield Buffer.from(data);
      },
      async [Symbol.asyncDispose]() {},
    };
  }

  async tags(name: string): Promise<string[]> {
    const images = await this.#imagesOf(name);
    if (images.length === 0) throw new Problem('NAME_UNKNOWN', undefined, { detail: { name } });
    return [...new Set(images.flatMap(({ reference }) => reference.tag ?? []))];
  }

  async referrers(name: string, subject: Digest): Promise<Descriptor[]> {
    const found = new Map<Digest, Descriptor>();
    for (const { target } of await this.#imagesOf(name)) {
      for (const manifest of (await this.#tree(target)).manifests.values()) {
        const parsed = parseManifest(manifest);
        if (parsed.subject?.digest === subject) found.set(manifest.digest, parsed.descriptor);
      }
    }
    return [...found.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #named(): Promise<Named[]> {
    const { images } = await this.#images.list({ filters: [] });
    return images.flatMap(({ name, target }) => {
      const reference = tryParseReference(name);
      return reference && target && isDigest(target.digest) ? [{ reference, target: descriptorOf(target) }] : [];
    });
  }

  async #imagesOf(name: string): Promise<Named[]> {
    const wanted = new Set([name, ...hubNames(name)]);
    return (await this.#named()).filter(({ reference }) => wanted.has(repositoryName(reference)));
  }

  async #tree(target: Descriptor): Promise<Tree> {
    const manifests = new Map<Digest, StoredManifest>();
    const blobs = new Map<Digest, Descriptor>();
    const walk = async (descriptor: Descriptor): Promise<void> => {
      const manifest = manifests.has(descriptor.digest) ? undefined : await this.#read(descriptor);
      if (!manifest) return;
      manifests.set(manifest.digest, manifest);
      const parsed = parseManifest(manifest);
      for (const blob of parsed.blobs) blobs.set(blob.digest, blob);
      for (const child of parsed.manifests) await walk(child);
    };
    await walk(target);
    return { manifests, blobs };
  }

  async #read({ digest, mediaType, size }: Descriptor): Promise<StoredManifest | undefined> {
    if (size > MANIFEST_LIMIT) return undefined;
    const chunks: Uint8Array[] = [];
    try {
      for await (const { data } of this.#content.read({ digest })) chunks.push(data);
    } catch (error) {
      if (isKind(error, 'NotFound')) return undefined;
      throw error;
    }
    return { digest, mediaType, bytes: Buffer.concat(chunks) };
  }

  async #isHere(digest: Digest): Promise<boolean> {
    try {
      await this.#content.info({ digest });
      return true;
    } catch (error) {
      if (isKind(error, 'NotFound')) return false;
      throw error;
    }
  }
}

/** Docker Hub's images by their paths, so that this registry can stand as a mirror; others below their registry's name, `host_5000/app`. */
function repositoryName({ domain, path }: Reference): string {
  return domain === DEFAULT_DOMAIN ? path : `${domain.toLowerCase().replace(/[[\]]/g, '').replaceAll(':', '_')}/${path}`;
}

/** `busybox` is library/busybox, as everywhere. */
function hubNames(name: string): string[] {
  const { domain, path } = parseReference(`${DEFAULT_DOMAIN}/${name}`);
  return domain === DEFAULT_DOMAIN ? [path] : [];
}

function descriptorOf({ mediaType, digest, size }: { mediaType: string; digest: string; size: number }): Descriptor {
  return { mediaType, digest: digest as Digest, size };
}
