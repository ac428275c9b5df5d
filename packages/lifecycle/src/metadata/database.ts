// The one database of the lifecycle service, <root>/metadata.db: which namespaces, containers, leases, images, content and snapshots
// there are. SQLite in WAL mode: a statement is durable against a killed process at once, against a power cut at the next
// checkpoint; nothing in it is ever half written. Runs in berth-lifecycle, which holds it alone.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import BetterSqlite3 from 'better-sqlite3';
import { CONTAINER_SCHEMA } from '../containers/container-rows.ts';
import { CONTENT_SCHEMA } from '../content/content-rows.ts';
import { IMAGE_SCHEMA } from '../images/image-rows.ts';
import { LEASE_SCHEMA } from '../leases/lease-rows.ts';
import { NAMESPACE_SCHEMA } from '../namespaces/namespace-store.ts';
import { SANDBOX_SCHEMA } from '../sandboxes/sandbox-store.ts';
import { SNAPSHOT_SCHEMA } from '../snapshots/snapshot-rows.ts';

/** Each is applied once, in this order, ever: add at the end, never change one that was released. Every noun keeps its own tables. */
const MIGRATIONS: readonly { name: string; sql: string }[] = [
  { name: 'namespaces', sql: NAMESPACE_SCHEMA },
  { name: 'leases', sql: LEASE_SCHEMA },
  { name: 'containers', sql: CONTAINER_SCHEMA },
  { name: 'content', sql: CONTENT_SCHEMA },
  { name: 'images', sql: IMAGE_SCHEMA },
  { name: 'snapshots', sql: SNAPSHOT_SCHEMA },
  { name: 'sandboxes', sql: SANDBOX_SCHEMA },
];

export type Database = BetterSqlite3.Database;

/** Opens the database in `root`, creates or upgrades it, and locks it for this process. */
export function openDatabase(root: string): Database {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const path = join(root, 'metadata.db');
  const database = new BetterSqlite3(path, { timeout: 200 });
  try {
    // Before the journal mode: a second service on the same root is refused here rather than let in to corrupt the first one's state.
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    migrate(database);
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') {
      throw new EngineError('Unavailable', `${path} is in use by another berth-lifecycle; stop it or choose another --root`, {
        layer: 'lifecycle',
        cause: error,
      });
    }
    throw error;
  }
  return database;
}

/** For tests: a database of the current schema that lives in memory. */
export function openMemoryDatabase(): Database {
  const database = new BetterSqlite3(':memory:');
  database.pragma('foreign_keys = ON');
  migrate(database);
  return database;
}

function migrate(database: Database): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new EngineError(
      'FailedPrecondition',
      `the database is of a newer Berth (schema ${version}, this one knows ${MIGRATIONS.length})`,
      { layer: 'lifecycle' },
    );
  }
  for (const [index, { name, sql }] of MIGRATIONS.entries()) {
    if (index < version) continue;
    database.transaction(() => {
      try {
        database.exec(sql);
      } catch (error) {
        throw new EngineError('Internal', `database migration ${index + 1} (${name}): ${(error as Error).message}`, {
          layer: 'lifecycle',
          cause: error,
        });
      }
      database.pragma(`user_version = ${index + 1}`);
    })();
  }
}
