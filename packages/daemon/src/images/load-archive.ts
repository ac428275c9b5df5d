// What an archive of images holds, taken in front to back: every file becomes a blob under the load's lease. Names are only looked up
// among the archive's own files, never used as paths.
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { tarMembers } from '@berth/oci/tar/members';
import type { ImageServices } from './image-services.ts';
import { layerTypeOf } from './image-writer.ts';
import { uncompressed } from './uncompressed.ts';

/** Documents up to this size are kept at hand while the archive is read; everything else is only stored. */
const DOCUMENT_LIMIT = 4 << 20;

export interface ArchiveFile {
  digest: Digest;
  size: number;
  /** By its first bytes; meaningful for layers. */
  mediaType: string;
  /** The content, when it is small enough to be a document. */
  bytes: Buffer | undefined;
}

export class Archive {
  readonly #files = new Map<string, ArchiveFile>();
  readonly #links = new Map<string, string>();

  add(name: string, file: ArchiveFile): void {
    this.#files.set(posix.normalize(name), file);
  }

  link(name: string, target: string): void {
    this.#links.set(posix.normalize(name), posix.normalize(target));
  }

  find(name: string): ArchiveFile | undefined {
    const path = posix.normalize(name);
    // Old archives say with a symbolic link that two images share a layer.
    return this.#files.get(path) ?? this.#files.get(this.#links.get(path) ?? '');
  }

  get(name: string): ArchiveFile {
    const file = this.find(name);
    if (!file) throw new EngineError('InvalidArgument', `the archive names ${name}, but does not hold it`, { layer: 'daemon' });
    return file;
  }

  /** A document of an OCI layout, when the archive holds it: with the bytes that its descriptor names. */
  document(descriptor: Descriptor): Buffer | undefined {
    const file = this.find(blobPath(descriptor.digest));
    return file && checked(file, descriptor).bytes;
  }

  /** A blob of an OCI layout, checked against its descriptor. */
  blob(descriptor: Descriptor): ArchiveFile {
    return checked(this.get(blobPath(descriptor.digest)), descriptor);
  }
}

function checked(file: ArchiveFile, { digest, size }: Descriptor): ArchiveFile {
  if (file.digest === digest && file.size === size) return file;
  throw new EngineError(
    'InvalidArgument',
    `the archive names ${blobPath(digest)} with ${size} bytes, but what it holds there is ${file.digest} with ${file.size}`,
    { layer: 'daemon' },
  );
}

export function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** `onFile` is told of each file once it is stored. */
export async function storeArchive(
  services: ImageServices,
  lease: string,
  archive: AsyncIterable<Uint8Array>,
  onFile: (file: ArchiveFile) => void,
  signal: AbortSignal,
): Promise<Archive> {
  const files = new Archive();
  const add = (name: string, file: ArchiveFile) => {
    files.add(name, file);
    onFile(file);
  };
  for await (const { entry, data } of tarMembers(uncompressed(archive))) {
    if (entry.type === 'symlink') files.link(entry.name, posix.join(posix.dirname(entry.name), entry.linkName));
    if (entry.type === 'hardlink') files.link(entry.name, entry.linkName);
    if (entry.type !== 'file') continue;
    if (entry.size <= DOCUMENT_LIMIT) {
      const bytes = await buffer(data);
      const digest = await services.put(bytes, { lease });
      add(entry.name, { digest, size: bytes.length, mediaType: layerTypeOf(bytes), bytes });
    } else {
      let head = Buffer.alloc(0);
      const watched = async function* () {
        for await (const chunk of data) {
          if (head.length < 8) head = Buffer.concat([head, chunk.subarray(0, 8)]);
          yield chunk;
        }
      };
      const written = await services.write(watched(), { lease, signal });
      add(entry.name, { ...written, mediaType: layerTypeOf(head), bytes: undefined });
    }
  }
  return files;
}
