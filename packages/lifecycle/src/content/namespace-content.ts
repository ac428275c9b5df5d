// One namespace's view of the machine's content: which blobs it sees, under which labels, and the making of new ones.
// Runs in the lifecycle service; the bytes are file-content.ts's, the rows are this file's.
import { constants, existsSync, readFileSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { type Digest, digestOf, parseDigest } from '@berth/oci/digest';
import { Filter, labelAt } from '../metadata/filter.ts';
import { type Labels, updateLabels, validateLabels } from '../metadata/labels.ts';
import type { LeaseResources, Scope } from '../metadata/scope.ts';
import type { BlobInfo, BlobReader, CommitOptions, Content, ContentWriter, IngestStatus, WriterOptions } from './content.ts';
import type { BlobRow, ContentStatements } from './content-rows.ts';
import type { FileContent } from './file-content.ts';
import { FileWriter } from './file-writer.ts';
import { readIngest, refForOnce } from './ingest-record.ts';

/** Told after a blob appeared in, or went from, a namespace. */
export type OnContentChange = (namespace: string, change: { kind: 'created' | 'deleted'; digest: Digest; size: number }) => void;

export interface NamespaceContentOptions {
  files: FileContent;
  rows: ContentStatements;
  scope: Scope;
  leases: LeaseResources;
  onChange?: OnContentChange;
  isolated?: boolean;
}

export class NamespaceContent implements Content {
  readonly #files: FileContent;
  readonly #rows: ContentStatements;
  readonly #scope: Scope;
  readonly #leases: LeaseResources;
  readonly #onChange: OnContentChange | undefined;
  readonly #isolated: boolean;

  constructor({ files, rows, scope, leases, onChange, isolated = false }: NamespaceContentOptions) {
    this.#files = files;
    this.#rows = rows;
    this.#scope = scope;
    this.#leases = leases;
    this.#onChange = onChange;
    this.#isolated = isolated;
  }

  info(digest: Digest): BlobInfo {
    const row = this.#rows.get.get(this.#scope.namespace, parseDigest(digest)) as BlobRow | undefined;
    if (!row) throw new EngineError('NotFound', `content digest ${digest}: not found`, { layer: 'lifecycle', details: { digest } });
    return infoOf(row);
  }

  has(digest: Digest): boolean {
    return this.#rows.get.get(this.#scope.namespace, digest) !== undefined;
  }

  list(filters?: readonly string[]): BlobInfo[] {
    const filter = new Filter(filters);
    return (this.#rows.list.all(this.#scope.namespace) as BlobRow[]).map(infoOf).filter((info) => filter.matches(info, readInfo));
  }

  update(digest: Digest, labels: Labels, fieldPaths: readonly string[] = []): BlobInfo {
    const info = this.info(digest);
    const foreign = fieldPaths.find((path) => path !== 'labels' && !path.startsWith('labels.'));
    if (foreign !== undefined)
      throw new EngineError('InvalidArgument', `cannot update "${foreign}" field on content info "${digest}": invalid argument`);
    const updated = updateLabels(info.labels, labels, fieldPaths);
    this.#rows.update.run(JSON.stringify(updated), Date.now(), this.#scope.namespace, digest);
    return this.info(digest);
  }

  delete(digest: Digest): void {
    const { size } = this.info(digest);
    this.#rows.delete.run(this.#scope.namespace, digest);
    this.#files.releaseBytes(digest);
    this.#onChange?.(this.#scope.namespace, { kind: 'deleted', digest, size });
  }

  path(digest: Digest): string {
    this.info(digest);
    return this.#files.blobPath(digest);
  }

  async open(digest: Digest): Promise<BlobReader> {
    const { size } = this.info(digest);
    const handle = await open(this.#files.blobPath(digest), constants.O_RDONLY);
    return {
      size,
      read: async (target, position) => (await handle.read(target, 0, target.length, position)).bytesRead,
      [Symbol.asyncDispose]: () => handle.close(),
    };
  }

  async read(digest: Digest, limit = 8 << 20): Promise<Buffer> {
    const { size } = this.info(digest);
    if (size > limit)
      throw new EngineError('ResourceExhausted', `content ${digest} has ${size} bytes, more than the ${limit} that are read at once`);
    // Small and in the page cache: a synchronous read is an order of magnitude quicker than a trip through the thread pool.
    return readFileSync(this.#files.blobPath(digest));
  }

  keep(digest: Digest): boolean {
    if (!this.has(digest)) return false;
    this.#reference(digest);
    return true;
  }

  async put(bytes: Uint8Array, labels: Labels = {}): Promise<Digest> {
    const digest = digestOf(bytes);
    if (this.has(digest)) {
      this.#reference(digest);
      this.update(digest, { ...this.info(digest).labels, ...labels });
      return digest;
    }
    // A ref of its own: whoever puts the same blob at the same time succeeds as well.
    const ref = refForOnce('put');
    await using writer = await this.writer({ ref, total: bytes.length, expected: digest });
    if (writer.offset !== bytes.length) await writer.write(bytes);
    try {
      return await writer.commit({ size: bytes.length, digest, labels });
    } catch (error) {
      if (!isKind(error, 'AlreadyExists')) throw error;
      return await this.put(bytes, labels);
    }
  }

  async writer(options: WriterOptions): Promise<ContentWriter> {
    const { namespace } = this.#scope;
    if (!options.ref) throw new EngineError('InvalidArgument', 'ref must not be empty: invalid argument');
    const expected = options.expected ? parseDigest(options.expected) : undefined;
    if (expected && this.has(expected)) {
      this.#reference(expected);
      throw alreadyExists(expected);
    }
    const unlock = this.#files.lock(namespace, options.ref);
    try {
      const shared = expected && !this.#isolated ? this.#rows.anyOwner.get(expected)?.size : undefined;
      const ingest = {
        namespace,
        ref: options.ref,
        total: options.total ?? 0,
        expected,
        directory: this.#files.ingestPath(namespace, options.ref),
      };
      if (this.#scope.lease) this.#leases.addResource(namespace, this.#scope.lease, 'ingests', options.ref);
      const writer = await FileWriter.open(ingest, shared, {
        finish: (digest, size, commit) => this.#commit(ingest.directory, digest, size, commit),
        hashFile: (path, algorithm) => this.#files.hashFile(path, algorithm),
      });
      writer.onEnd(unlock);
      return writer;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  #commit(ingest: string, digest: Digest, size: number, options: CommitOptions): void {
    const { namespace } = this.#scope;
    validateLabels(options.labels ?? {});
    if (this.has(digest)) {
      // Whoever brought it again counts on it, and it may have been nobody's until now.
      this.#reference(digest);
      rmSync(ingest, { recursive: true, force: true });
      throw alreadyExists(digest);
    }
    if (existsSync(join(ingest, 'data'))) this.#files.adopt(ingest, digest);
    if (!existsSync(this.#files.blobPath(digest))) {
      throw new EngineError('FailedPrecondition', `content ${digest} was deleted while it was being shared, write it again`, {
        layer: 'lifecycle',
      });
    }
    const now = Date.now();
    this.#rows.insert.run(namespace, digest, size, now, now, JSON.stringify(options.labels ?? {}));
    this.#reference(digest);
    rmSync(ingest, { recursive: true, force: true });
    this.#onChange?.(namespace, { kind: 'created', digest, size });
  }

  #reference(digest: Digest): void {
    if (this.#scope.lease) this.#leases.addResource(this.#scope.namespace, this.#scope.lease, 'content', digest);
  }

  status(ref: string): IngestStatus {
    const status = readIngest(this.#files.ingestPath(this.#scope.namespace, ref));
    if (!status) throw new EngineError('NotFound', `reference ${ref}: not found`, { layer: 'lifecycle' });
    return status;
  }

  statuses(filters?: readonly string[]): IngestStatus[] {
    const filter = new Filter(filters);
    return this.#files
      .ingests(this.#scope.namespace)
      .filter((status) => filter.matches(status, (object, path) => (path[0] === 'ref' ? object.ref : undefined)));
  }

  async abort(ref: string): Promise<void> {
    const directory = this.#files.ingestPath(this.#scope.namespace, ref);
    if (!existsSync(directory)) throw new EngineError('NotFound', `reference ${ref}: not found`, { layer: 'lifecycle' });
    await rm(directory, { recursive: true, force: true });
  }
}

function infoOf(row: BlobRow): BlobInfo {
  return {
    digest: row.digest,
    size: row.size,
    createdAt: new Date(row.created),
    updatedAt: new Date(row.updated),
    labels: JSON.parse(row.labels),
  };
}

function readInfo(info: BlobInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'digest':
      return info.digest;
    case 'size':
      return String(info.size);
    case 'labels':
      return labelAt(info.labels, path);
    default:
      return undefined;
  }
}

function alreadyExists(digest: Digest): EngineError {
  return new EngineError('AlreadyExists', `content ${digest}: already exists`, { layer: 'lifecycle', details: { digest } });
}
