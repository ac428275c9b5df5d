// The files of an image archive as blobs: everything in it goes into the content store first, under names that are only ever looked up;
// what it means is read afterwards. Two layouts: OCI's (image-layout.md), and Docker's with its manifest.json.
import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { type Digest, isDigest } from '@berth/oci/digest';
import { type TarMember, tarMembers } from '@berth/oci/tar/members';
import type { Content } from '../content/content.ts';
import { decompress } from '../diff/decompress.ts';

export interface ArchiveBlob {
  digest: Digest;
  size: number;
}

export class ArchiveBlobs {
  readonly #blobs = new Map<string, ArchiveBlob>();
  readonly #links = new Map<string, string>();

  /** Reads an archive, packed or not, to its end. */
  static async read(content: Content, archive: AsyncIterable<Buffer>, signal: AbortSignal): Promise<ArchiveBlobs> {
    const blobs = new ArchiveBlobs();
    for await (const member of tarMembers(decompress(archive))) {
      signal.throwIfAborted();
      await blobs.#add(content, member);
    }
    return blobs;
  }

  /** By its name in the archive; old archives say with a link that two images share a layer. */
  find(name: string): ArchiveBlob | undefined {
    const path = posix.normalize(name);
    return this.#blobs.get(path) ?? this.#blobs.get(this.#links.get(path) ?? '');
  }

  get(name: string): ArchiveBlob {
    const blob = this.find(name);
    if (!blob) throw new EngineError('InvalidArgument', `the archive names ${name}, but does not hold it`, { layer: 'lifecycle' });
    return blob;
  }

  async #add(content: Content, { entry, data }: TarMember): Promise<void> {
    const name = posix.normalize(entry.name);
    if (entry.type === 'symlink') this.#links.set(name, posix.join(posix.dirname(name), entry.linkName));
    else if (entry.type === 'hardlink') this.#links.set(name, posix.normalize(entry.linkName));
    else if (entry.type === 'file') {
      const known = namedDigest(name);
      // What is here already need not be written: its bytes are those of its digest.
      if (known && content.keep(known)) this.#blobs.set(name, { digest: known, size: content.info(known).size });
      else this.#blobs.set(name, await writeBlob(content, data, { size: entry.size, digest: known }));
    }
  }
}

/** `blobs/sha256/<hex>` of an OCI layout. */
function namedDigest(name: string): Digest | undefined {
  const digest = /^blobs\/([^/]+)\/([^/]+)$/.exec(name);
  const text = digest && `${digest[1]}:${digest[2]}`;
  return text && isDigest(text) ? text : undefined;
}

export interface BlobToWrite {
  /** Bytes; undefined when nobody knows yet. */
  size?: number;
  digest?: Digest | undefined;
  labels?: Record<string, string>;
}

/** One blob of a stream of bytes. FailedPrecondition when it has not the size or digest that it is said to have. */
export async function writeBlob(
  content: Content,
  data: AsyncIterable<Uint8Array>,
  { size, digest, labels }: BlobToWrite,
): Promise<ArchiveBlob> {
  // A ref of its own: whoever imports the same archive at the same time succeeds as well.
  const ref = `import-${randomUUID({ disableEntropyCache: true })}`;
  await using writer = await content.writer({ ref, total: size });
  try {
    for await (const chunk of data) await writer.write(chunk);
    const blob = { digest: writer.digest(), size: writer.offset };
    try {
      await writer.commit({ size, digest, labels });
    } catch (error) {
      if (!isKind(error, 'AlreadyExists')) throw error;
      content.keep(blob.digest);
    }
    return blob;
  } catch (error) {
    await writer.close();
    await content.abort(ref).catch(() => {});
    throw error;
  }
}
