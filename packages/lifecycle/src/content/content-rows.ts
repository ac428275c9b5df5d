// The content store's tables and statements. Blobs are listed by namespace; `content_pending` names blobs whose bytes may not be
// on the disk yet, whatever the namespaces.
import type { Digest } from '@berth/oci/digest';
import type BetterSqlite3 from 'better-sqlite3';

export const CONTENT_SCHEMA = `
  CREATE TABLE content (
    namespace TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (namespace, digest)
  ) WITHOUT ROWID;
  CREATE INDEX content_digest ON content (digest);
  CREATE TABLE content_pending (digest TEXT PRIMARY KEY) WITHOUT ROWID;
`;

export interface BlobRow {
  digest: Digest;
  size: number;
  /** Milliseconds since 1970, as `updated`. */
  created: number;
  updated: number;
  /** JSON. */
  labels: string;
}

type Write = BetterSqlite3.Statement<unknown[]>;

export interface ContentStatements {
  get: BetterSqlite3.Statement<[string, string], BlobRow>;
  list: BetterSqlite3.Statement<[string], BlobRow>;
  insert: Write;
  update: Write;
  delete: Write;
  deleteEverywhere: Write;
  anyOwner: BetterSqlite3.Statement<[string], { size: number }>;
  allDigests: BetterSqlite3.Statement<[], { digest: Digest }>;
  pending: BetterSqlite3.Statement<[], { digest: Digest }>;
  markPending: Write;
  unmarkPending: Write;
}

export function prepareContent(database: BetterSqlite3.Database): ContentStatements {
  return {
    get: database.prepare<[string, string], BlobRow>('SELECT * FROM content WHERE namespace = ? AND digest = ?'),
    list: database.prepare<[string], BlobRow>('SELECT * FROM content WHERE namespace = ? ORDER BY digest'),
    insert: database.prepare('INSERT INTO content (namespace, digest, size, created, updated, labels) VALUES (?, ?, ?, ?, ?, ?)'),
    update: database.prepare('UPDATE content SET labels = ?, updated = ? WHERE namespace = ? AND digest = ?'),
    delete: database.prepare('DELETE FROM content WHERE namespace = ? AND digest = ?'),
    deleteEverywhere: database.prepare('DELETE FROM content WHERE digest = ?'),
    anyOwner: database.prepare<[string], { size: number }>('SELECT size FROM content WHERE digest = ? LIMIT 1'),
    allDigests: database.prepare<[], { digest: Digest }>('SELECT DISTINCT digest FROM content'),
    pending: database.prepare<[], { digest: Digest }>('SELECT digest FROM content_pending'),
    markPending: database.prepare('INSERT OR IGNORE INTO content_pending (digest) VALUES (?)'),
    unmarkPending: database.prepare('DELETE FROM content_pending WHERE digest = ?'),
  };
}
