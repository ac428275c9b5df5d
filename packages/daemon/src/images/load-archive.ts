// What an archive of images holds, taken in front to back: every file becomes a blob under the load's lease. Names are only looked up
// among the archive's own files, never used as paths.
//
// A layer is written once, by this process, to a file that the lifecycle service then takes and hashes in a thread of its own while the
// next one is being read. Its bytes pass through buffers that are used again and again: new ones for each chunk, and messages made of
// them, cost three times as much as all the rest.
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { blobName } from '@berth/oci/image-layout';
import type { Descriptor } from '@berth/oci/image-spec';
import { tarMembers } from '@berth/oci/tar/members';
import { collectYoung } from '@berth/sys/heap';
import type { ImageServices, WriteOptions } from './image-services.ts';
import { layerTypeOf } from './image-writer.ts';
import type { Spool, SpoolFile } from './spool.ts';
import { uncompressed } from './uncompressed.ts';

/** Documents up to this size are kept at hand while the archive is read; everything else is only stored. */
const DOCUMENT_LIMIT = 4 << 20;
/** Bytes written at once. Meanwhile the socket takes in as many. */
const CHUNK = 256 << 10;
/** Of these, until the socket's buffers that they came in are collected. */
const COLLECT_AFTER = 4;

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
    const file = this.find(blobName(descriptor.digest));
    return file && checked(file, descriptor).bytes;
  }

  /** A blob of an OCI layout, checked against its descriptor. */
  blob(descriptor: Descriptor): ArchiveFile {
    return checked(this.get(blobName(descriptor.digest)), descriptor);
  }
}

function checked(file: ArchiveFile, { digest, size }: Descriptor): ArchiveFile {
  if (file.digest === digest && file.size === size) return file;
  throw new EngineError(
    'InvalidArgument',
    `the archive names ${blobName(digest)} with ${size} bytes, but what it holds there is ${file.digest} with ${file.size}`,
    { layer: 'daemon' },
  );
}

export async function storeArchive(
  services: ImageServices,
  spool: Spool,
  lease: string,
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Archive> {
  const files = new Archive();
  const storing: Promise<void>[] = [];
  let failed: { error: unknown } | undefined;
  try {
    for await (const { entry, data } of tarMembers(inBulk(uncompressed(archive)))) {
      if (failed) throw failed.error;
      if (entry.type === 'symlink') files.link(entry.name, posix.join(posix.dirname(entry.name), entry.linkName));
      if (entry.type === 'hardlink') files.link(entry.name, entry.linkName);
      if (entry.type !== 'file') continue;
      if (entry.size <= DOCUMENT_LIMIT) {
        const bytes = await collected(data);
        const digest = await services.put(bytes, { lease });
        files.add(entry.name, { digest, size: bytes.length, mediaType: layerTypeOf(bytes), bytes });
      } else {
        const { file, mediaType } = await spooled(spool, data);
        const stored = store(services, file, { lease, signal }).then((blob) =>
          files.add(entry.name, { ...blob, mediaType, bytes: undefined }),
        );
        stored.catch((error: unknown) => {
          failed = { error };
        });
        storing.push(stored);
      }
    }
  } finally {
    // The lease ends with the load: nothing may be stored after it.
    await Promise.allSettled(storing);
  }
  await Promise.all(storing);
  return files;
}

/** Writes a member to a file of its own. */
async function spooled(spool: Spool, data: AsyncIterable<Buffer>): Promise<{ file: SpoolFile; mediaType: string }> {
  const file = await spool.file();
  try {
    let head = Buffer.alloc(0);
    for await (const chunk of data) {
      if (head.length < 8) head = Buffer.concat([head, chunk.subarray(0, 8)]);
      await file.write(chunk);
    }
    const mediaType = layerTypeOf(head);
    await file.close();
    return { file, mediaType };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function store(services: ImageServices, file: SpoolFile, options: WriteOptions): Promise<{ digest: Digest; size: number }> {
  await using _ = file;
  return await services.storeFile(file, options);
}

/**
 * The same bytes in larger chunks, in two buffers that take turns: each is good until the next but one is asked for, so that one is filled
 * while the other is being written.
 */
async function* inBulk(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
  let buffer = buffers[0] as Buffer;
  let size = 0;
  let full = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + CHUNK - size);
      buffer.set(part, size);
      at += part.length;
      size += part.length;
      if (size < CHUNK) continue;
      yield buffer;
      size = 0;
      buffer = buffers[++full % 2] as Buffer;
      if (full % COLLECT_AFTER === 0) collectYoung();
    }
  }
  if (size > 0) yield buffer.subarray(0, size);
}

async function collected(data: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of data) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}
