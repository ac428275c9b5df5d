// What belongs to a repository: which blobs it may serve, its manifests, its tags, and which manifests refer to which.
// A manifest's bytes are a blob; the repository's record of it holds the media type that it was pushed with.
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type Digest, encodedOf, isDigest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import type { Blobs } from './blobs.ts';
import { entriesOf, isMissing, removeFile, replaceFile } from './durable.ts';
import type { Layout } from './layout.ts';
import { parseManifest } from './manifest-document.ts';
import type { Trash } from './trash.ts';
import type { Uploads } from './uploads.ts';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface RepositoriesParts {
  layout: Layout;
  trash: Trash;
  blobs: Blobs;
  uploads: Uploads;
}

export class Repositories {
  readonly #layout: Layout;
  readonly #trash: Trash;
  readonly #blobs: Blobs;
  readonly #uploads: Uploads;

  constructor(parts: RepositoriesParts) {
    this.#layout = parts.layout;
    this.#trash = parts.trash;
    this.#blobs = parts.blobs;
    this.#uploads = parts.uploads;
  }

  /** Every repository that has a manifest, in the order of their bytes. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    const walk = async (directory: string): Promise<void> => {
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        const path = join(directory, entry.name);
        if (!entry.name.startsWith('_')) await walk(path);
        else if (entry.name === '_manifests' && (await this.#holdsManifest(path))) names.push(this.#nameOf(directory));
      }
    };
    await walk(this.#layout.repositories);
    return names.sort();
  }

  /** True once a manifest was ever pushed to it. */
  async exists(name: string): Promise<boolean> {
    return (await entriesOf(this.#layout.manifests(name))).length > 0;
  }

  /**
   * The size of a blob that the repository may serve, else undefined. The client may be about to build on it, so a collector
   * that has begun will not delete it.
   */
  async claimBlob(name: string, digest: Digest): Promise<number | undefined> {
    if (!(await this.#trash.touch(this.#layout.blobLink(name, digest)))) return undefined;
    return (await this.#blobs.touch(digest)) ? this.#blobs.sizeOf(digest) : undefined;
  }

  async hasBlob(name: string, digest: Digest): Promise<boolean> {
    try {
      await readFile(this.#layout.blobLink(name, digest));
      return true;
    } catch (error) {
      if (isMissing(error)) return this.#trash.restore(this.#layout.blobLink(name, digest));
      throw error;
    }
  }

  async linkBlob(name: string, digest: Digest): Promise<void> {
    await replaceFile(this.#layout.temporary, this.#layout.blobLink(name, digest), '');
  }

  /** False when the repository had no such blob. The bytes stay until a collection finds nobody using them. */
  unlinkBlob(name: string, digest: Digest): Promise<boolean> {
    return removeFile(this.#layout.blobLink(name, digest));
  }

  async manifest(name: string, digest: Digest): Promise<StoredManifest | undefined> {
    const mediaType = await this.#mediaType(name, digest);
    const bytes = mediaType === undefined ? undefined : await this.#blobs.read(digest);
    return mediaType === undefined || bytes === undefined ? undefined : { digest, mediaType, bytes };
  }

  /** True when the manifest is there, and no collector that has begun will delete it. */
  async claimManifest(name: string, digest: Digest): Promise<boolean> {
    return (await this.#trash.touch(this.#layout.manifest(name, digest))) && this.#blobs.touch(digest);
  }

  /** Stores a manifest: bytes, then record, then its entry with its subject, so that each step finds the ones before. */
  async putManifest(name: string, manifest: StoredManifest): Promise<void> {
    const { digest, mediaType, bytes } = manifest;
    if (!(await this.#blobs.touch(digest))) {
      const id = await this.#uploads.start(name);
      await this.#uploads.append(name, id, oneChunk(bytes));
      await this.#uploads.finish(name, id, digest);
      await this.#uploads.remove(id);
    }
    await this.#write(this.#layout.manifest(name, digest), JSON.stringify({ mediaType }));
    const { subject, descriptor } = parseManifest(manifest);
    if (subject) await this.#write(this.#referrerPath(name, subject.digest, digest), JSON.stringify(descriptor));
  }

  /** Removes a manifest, the tags that name it and its entry with its subject. False when there is none. */
  async deleteManifest(name: string, digest: Digest): Promise<boolean> {
    const manifest = await this.manifest(name, digest);
    if (!manifest) return false;
    for (const tag of await this.tags(name)) if ((await this.tagged(name, tag)) === digest) await this.deleteTag(name, tag);
    await this.forgetReferrer(name, manifest);
    return removeFile(this.#layout.manifest(name, digest));
  }

  async forgetReferrer(name: string, manifest: StoredManifest): Promise<void> {
    const { subject } = parseManifest(manifest);
    if (subject) await removeFile(this.#referrerPath(name, subject.digest, manifest.digest));
  }

  /** Every manifest's digest, in no order. */
  async manifests(name: string): Promise<Digest[]> {
    return digestsIn(this.#layout.manifests(name));
  }

  /** Every blob's digest that the repository may serve, in no order. */
  async blobs(name: string): Promise<Digest[]> {
    return digestsIn(join(this.#layout.repository(name), '_blobs'));
  }

  /** Tags in no order. */
  async tags(name: string): Promise<string[]> {
    return entriesOf(this.#layout.tags(name));
  }

  async tagged(name: string, tag: string): Promise<Digest | undefined> {
    try {
      const digest = await readFile(this.#layout.tag(name, tag), 'utf8');
      return isDigest(digest) ? digest : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  setTag(name: string, tag: string, digest: Digest): Promise<void> {
    return this.#write(this.#layout.tag(name, tag), digest);
  }

  deleteTag(name: string, tag: string): Promise<boolean> {
    return removeFile(this.#layout.tag(name, tag));
  }

  /** Descriptors of the manifests whose subject is `subject`, ordered by digest. */
  async referrers(name: string, subject: Digest): Promise<Descriptor[]> {
    const directory = this.#layout.referrers(name, subject);
    const found: Descriptor[] = [];
    for (const entry of (await entriesOf(directory)).sort()) {
      const text = await readFile(join(directory, entry), 'utf8').catch(() => undefined);
      if (text !== undefined) found.push(JSON.parse(text) as Descriptor);
    }
    return found;
  }

  #write(path: string, content: string): Promise<void> {
    return replaceFile(this.#layout.temporary, path, content);
  }

  #referrerPath(name: string, subject: Digest, digest: Digest): string {
    return join(this.#layout.referrers(name, subject), `${digest.slice(0, digest.indexOf(':'))}-${encodedOf(digest)}`);
  }

  async #mediaType(name: string, digest: Digest): Promise<string | undefined> {
    const path = this.#layout.manifest(name, digest);
    try {
      return (JSON.parse(await readFile(path, 'utf8')) as { mediaType: string }).mediaType;
    } catch (error) {
      if (!isMissing(error)) throw error;
      return (await this.#trash.restore(path)) ? this.#mediaType(name, digest) : undefined;
    }
  }

  async #holdsManifest(directory: string): Promise<boolean> {
    for (const algorithm of await entriesOf(directory)) if ((await entriesOf(join(directory, algorithm))).length > 0) return true;
    return false;
  }

  #nameOf(directory: string): string {
    return directory.slice(this.#layout.repositories.length + 1).replaceAll(sep, '/');
  }
}

/** Digests of a directory `<algorithm>/<hex>`. */
async function digestsIn(directory: string): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const algorithm of await entriesOf(directory)) {
    for (const hex of await entriesOf(join(directory, algorithm))) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest)) digests.push(digest);
    }
  }
  return digests;
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
