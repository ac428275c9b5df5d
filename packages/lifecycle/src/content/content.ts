// Content: blobs that are named by their digest and never change (containerd's core/content, gRPC containerd.services.content.v1).
//
// A blob comes to be in two steps. A *writer* fills an ingest, which is named by a ref that its makers agree on (so that two
// pulls of one layer find each other) and survives the process: opening the ref again goes on at `offset`. `commit` checks size
// and digest, makes the bytes durable and gives them their name in one rename. So:
//  - a blob that can be listed is whole and has the digest it is named by;
//  - at most one writer is open for a ref; the second one gets Unavailable;
//  - bytes are stored once, whatever the number of namespaces; each namespace has its own labels and sees only its own blobs.
import type { Digest } from '@berth/oci/digest';
import type { Labels } from '../metadata/labels.ts';

export interface BlobInfo {
  digest: Digest;
  /** Bytes. */
  size: number;
  createdAt: Date;
  updatedAt: Date;
  labels: Labels;
}

export interface IngestStatus {
  ref: string;
  /** Bytes written so far. */
  offset: number;
  /** Bytes expected; 0 when unknown. */
  total: number;
  expected?: Digest;
  startedAt: Date;
  updatedAt: Date;
}

export interface WriterOptions {
  /** Names the ingest, e.g. `layer-sha256:…`; the same ref resumes it. */
  ref: string;
  /** Bytes expected; 0 or undefined when unknown. */
  total?: number;
  /** When given and present already: AlreadyExists. Present in another namespace only: a writer whose offset is its total. */
  expected?: Digest;
}

export interface CommitOptions {
  /** Bytes the blob must have; FailedPrecondition otherwise. 0 or undefined: any. */
  size?: number;
  /** Digest the blob must have; FailedPrecondition otherwise. */
  digest?: Digest;
  labels?: Labels;
}

export interface ContentWriter extends AsyncDisposable {
  readonly ref: string;
  readonly offset: number;
  status(): IngestStatus;
  /** The digest of what was written so far. */
  digest(): Digest;
  /** Appends; the chunk may be reused when the promise resolves. Await before the next write. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Takes a file of the same file system as what is to be written, instead of having it written: it has no other name afterwards.
   * False, and nothing is changed, for a file that this process cannot have.
   */
  take(path: string): Promise<boolean>;
  /** Starts again; only to 0, because a hash cannot be wound back. */
  truncate(size: 0): Promise<void>;
  /** Ends the writer, whether it succeeds or not. AlreadyExists when the namespace has the blob: the ingest is gone then. */
  commit(options?: CommitOptions): Promise<Digest>;
  /** Ends the writer and keeps the ingest for a later one. Does nothing after commit. */
  close(): Promise<void>;
  /** Ends the writer and drops the ingest, before anybody else can open it. Does nothing after commit. */
  discard(): Promise<void>;
}

export interface BlobReader extends AsyncDisposable {
  readonly size: number;
  /** Reads into `target` at a position of the blob; the number of bytes read, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
}

/** One namespace's view of the content store. */
export interface Content {
  /** NotFound: `content digest <d>: not found`. */
  info(digest: Digest): BlobInfo;
  has(digest: Digest): boolean;
  /** Like `has`; a blob that is there is kept by the scope's lease from now on. */
  keep(digest: Digest): boolean;
  /** Blobs that satisfy any of the filters (containerd's grammar over digest, size, labels); all without one. */
  list(filters?: readonly string[]): BlobInfo[];
  /** Replaces labels; with field paths only those named (`labels`, `labels.<key>`; an empty value removes the key). */
  update(digest: Digest, labels: Labels, fieldPaths?: readonly string[]): BlobInfo;
  /** Forgets the blob in this namespace; the bytes go with the last namespace. */
  delete(digest: Digest): void;
  /** The file that holds the blob, for readers in this process and its workers. */
  path(digest: Digest): string;
  open(digest: Digest): Promise<BlobReader>;
  /** The whole blob, for manifests and configurations; ResourceExhausted above `limit` (default 8 MiB). */
  read(digest: Digest, limit?: number): Promise<Buffer>;
  /** Puts a small blob in one call; a blob that is present already is success, its labels are merged. */
  put(bytes: Uint8Array, labels?: Labels): Promise<Digest>;
  writer(options: WriterOptions): Promise<ContentWriter>;
  status(ref: string): IngestStatus;
  statuses(filters?: readonly string[]): IngestStatus[];
  abort(ref: string): Promise<void>;
}
