// The daemon's own state: one SQLite file of JSON documents by kind and id. WAL with synchronous=NORMAL: a document that was saved
// outlives SIGKILL of the daemon; after a power cut the file is consistent, and at most the last moments are missing.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import Database from 'better-sqlite3';

export type RecordKind = 'container' | 'volume' | 'network' | 'exec' | 'setting';

const SCHEMA_VERSION = 1;

export class StateDatabase implements Disposable {
  readonly #db: Database.Database;
  readonly #put: Database.Statement;
  readonly #delete: Database.Statement;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    try {
      this.#db = new Database(path);
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = NORMAL');
    } catch (cause) {
      throw new EngineError('Internal', `cannot open the daemon's state ${path}: ${(cause as Error).message}`, { layer: 'daemon', cause });
    }
    const version = this.#db.pragma('user_version', { simple: true }) as number;
    if (version > SCHEMA_VERSION) {
      throw new EngineError(
        'FailedPrecondition',
        `${path} was written by a newer berthd (schema ${version}, this one knows ${SCHEMA_VERSION})`,
        {
          layer: 'daemon',
        },
      );
    }
    this.#db.exec(
      'CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID',
    );
    this.#db.pragma(`user_version = ${SCHEMA_VERSION}`);
    this.#put = this.#db.prepare(
      'INSERT INTO record (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body',
    );
    this.#delete = this.#db.prepare('DELETE FROM record WHERE kind = ? AND id = ?');
  }

  /** The documents of one kind. */
  collection<T>(kind: RecordKind): RecordStore<T> {
    return {
      all: () => {
        const rows = this.#db.prepare('SELECT body FROM record WHERE kind = ?').all(kind) as { body: string }[];
        return rows.map((row) => JSON.parse(row.body) as T);
      },
      put: (id, record) => void this.#put.run(kind, id, JSON.stringify(record)),
      delete: (id) => void this.#delete.run(kind, id),
    };
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

export interface RecordStore<T> {
  all(): T[];
  put(id: string, record: T): void;
  delete(id: string): void;
}
