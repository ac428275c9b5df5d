// Content in files: <root>/blobs/<algorithm>/<hex> and <root>/ingest/<id>/{data,ingest.json}; who sees a blob, under which labels,
// is in the database. Runs in the lifecycle service, on its event loop: hashing what is written is the only work it does on the CPU.
//
// Durability: a committed blob is visible at once and made durable (fsync) behind the caller's back; until then its row says so,
// and `recover` hashes such blobs at the next start. A pull so never waits for the disk, and a power cut never leaves a bad blob.
import { createHash } from 'node:crypto';
import { chmodSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Digest, encodedOf, parseDigest } from '@berth/oci/digest';
import type { Database } from 'better-sqlite3';
import type { LeaseResources, Scope } from '../metadata/scope.ts';
import type { Content, IngestStatus } from './content.ts';
import { type ContentStatements, prepareContent } from './content-rows.ts';
import { isResumable, readIngest } from './ingest-record.ts';
import { NamespaceContent, type OnContentChange } from './namespace-content.ts';

export interface FileContentOptions {
  /** `<lifecycle root>/io.containerd.content.v1.content`. */
  root: string;
  database: Database;
  leases: LeaseResources;
  onChange?: OnContentChange;
  hashFile: HashFile;
  /** A blob of another namespace is not to be had for its digest alone: its bytes are asked for once more. */
  isolated?: boolean;
}

/** The digest of a file, by the algorithm's name, made elsewhere than on the event loop. */
export type HashFile = (path: string, algorithm: string) => Promise<{ digest: Digest; size: number }>;

/** The machine's content; `in` gives one namespace's view. */
export class FileContent {
  readonly root: string;
  readonly #options: FileContentOptions;
  /** Refs with an open writer, and since when. */
  readonly #locks = new Map<string, Date>();
  readonly #syncing = new Set<Promise<void>>();
  readonly #rows: ContentStatements;

  constructor(options: FileContentOptions) {
    this.root = options.root;
    this.#options = options;
    for (const directory of ['blobs/sha256', 'blobs/sha512', 'ingest'])
      mkdirSync(join(this.root, directory), { recursive: true, mode: 0o700 });
    this.#rows = prepareContent(options.database);
  }

  in(scope: Scope): Content {
    const { leases, onChange, isolated } = this.#options;
    return new NamespaceContent({ files: this, rows: this.#rows, scope, leases, onChange, isolated });
  }

  hashFile(path: string, algorithm: string): Promise<{ digest: Digest; size: number }> {
    return this.#options.hashFile(path, algorithm);
  }

  blobPath(digest: Digest): string {
    const checked = parseDigest(digest);
    return join(this.root, 'blobs', algorithmOf(checked), encodedOf(checked));
  }

  ingestPath(namespace: string, ref: string): string {
    return join(this.root, 'ingest', createHash('sha256').update(`${namespace}/${ref}`).digest('hex'));
  }

  lock(namespace: string, ref: string): () => void {
    const key = `${namespace}/${ref}`;
    const since = this.#locks.get(key);
    if (since) {
      const seconds = ((Date.now() - since.getTime()) / 1000).toFixed(3);
      throw new EngineError('Unavailable', `ref ${key} locked for ${seconds}s (since ${since.toISOString()}): unavailable`, {
        layer: 'lifecycle',
      });
    }
    this.#locks.set(key, new Date());
    return () => this.#locks.delete(key);
  }

  /** Whether an ingest has an open writer. */
  isLocked(namespace: string, ref: string): boolean {
    return this.#locks.has(`${namespace}/${ref}`);
  }

  /** Moves a finished ingest to its name; its fsync goes on after this returns. */
  adopt(ingest: string, digest: Digest): void {
    const path = this.blobPath(digest);
    if (existsSync(path)) return;
    const data = join(ingest, 'data');
    chmodSync(data, 0o444);
    renameSync(data, path);
    this.markPending(digest);
    const syncing = this.#makeDurable(digest, path).finally(() => this.#syncing.delete(syncing));
    this.#syncing.add(syncing);
  }

  /** Notes that a blob may not be on the disk yet: the next start hashes it, unless it is made durable before. */
  markPending(digest: Digest): void {
    this.#rows.markPending.run(digest);
  }

  async #makeDurable(digest: Digest, path: string): Promise<void> {
    try {
      for (const target of [path, join(path, '..')]) {
        await using handle = await open(target, constants.O_RDONLY);
        await handle.sync();
      }
      if (this.#options.database.open) this.#rows.unmarkPending.run(digest);
    } catch {
      // Gone already, or the disk refuses: the mark stays and the next start hashes the blob.
    }
  }

  /** Deletes the bytes when no namespace has the blob any more. */
  releaseBytes(digest: Digest): void {
    if (this.#rows.anyOwner.get(digest)) return;
    rmSync(this.blobPath(digest), { force: true });
    this.#rows.unmarkPending.run(digest);
  }

  ingests(namespace: string): IngestStatus[] {
    return readdirSync(join(this.root, 'ingest'))
      .map((name) => readIngest(join(this.root, 'ingest', name)))
      .filter((ingest) => ingest?.namespace === namespace)
      .map((ingest) => ingest as IngestStatus);
  }

  /** Waits until all that was committed is durable. */
  async flush(): Promise<void> {
    await Promise.all(this.#syncing);
  }

  /**
   * After a start: hashes blobs that may not have reached the disk, drops what is damaged, files that nobody owns, and ingests that
   * nobody will go on with.
   */
  async recover(): Promise<void> {
    for (const name of readdirSync(join(this.root, 'ingest'))) {
      const directory = join(this.root, 'ingest', name);
      if (!isResumable(directory)) rmSync(directory, { recursive: true, force: true });
    }
    for (const { digest } of this.#rows.pending.all() as { digest: Digest }[]) {
      const path = this.blobPath(digest);
      if (existsSync(path) && (await this.hashFile(path, algorithmOf(digest))).digest === digest) await this.#makeDurable(digest, path);
      else {
        this.#rows.deleteEverywhere.run(digest);
        this.#rows.unmarkPending.run(digest);
        rmSync(path, { force: true });
      }
    }
    for (const { digest } of this.#rows.allDigests.all() as { digest: Digest }[]) {
      if (!existsSync(this.blobPath(digest))) this.#rows.deleteEverywhere.run(digest);
    }
    for (const algorithm of ['sha256', 'sha512']) {
      for (const name of readdirSync(join(this.root, 'blobs', algorithm))) {
        if (!this.#rows.anyOwner.get(`${algorithm}:${name}`)) unlinkSync(join(this.root, 'blobs', algorithm, name));
      }
    }
  }
}

function algorithmOf(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}
