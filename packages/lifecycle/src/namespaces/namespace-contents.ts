// What a namespace still holds, by counting rows: a namespace is deleted only when it is empty.
import type BetterSqlite3 from 'better-sqlite3';
import type { NamespaceContents } from './namespace-store.ts';

/** Nouns by their tables, in containerd's words. */
const TABLES = { images: 'image', blobs: 'content', containers: 'container', snapshots: 'snapshot', sandboxes: 'sandbox' };

export function namespaceContents(database: BetterSqlite3.Database): NamespaceContents {
  const queries = Object.entries(TABLES).map(([noun, table]) => ({
    noun,
    any: database.prepare<[string], unknown>(`SELECT 1 FROM ${table} WHERE namespace = ? LIMIT 1`),
  }));
  return (namespace) => queries.filter(({ any }) => any.get(namespace) !== undefined).map(({ noun }) => noun);
}
