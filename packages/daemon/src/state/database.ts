// The daemon's own state: one SQLite file of JSON documents by kind and id. WAL with synchronous=NORMAL: a document that was saved
// outlives SIGKILL of the daemon; after a power cut the file is consistent, and at most the last moments are missing.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, isDatabaseFull } from '@berth/errdefs/engine-error';
import Database from 'better-sqlite3';

export type RecordKind = 'container' | 'volume' | 'network' | 'exec' | 'setting';

const SCHEMA_VERSION = 1;
/** Bytes: some hundred removals of the daemon and of the lifecycle service. */
const RESERVE = 1 << 20;

export class StateDatabase implements Disposable {
  readonly #db: Database.Database;
  readonly #put: Database.Statement;
  readonly #delete: Database.Statement;
  /** A file that only takes space. */
  readonly #reserve: string;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    this.#reserve = `${path}-reserve`;
    reserve(this.#reserve);
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
      delete: (id) => this.#remove(kind, id),
    };
  }

  /** What makes room must not fail for want of it: on a full disk the reserve goes first. */
  #remove(kind: RecordKind, id: string): void {
    try {
      this.#delete.run(kind, id);
    } catch (error) {
      if (!isDatabaseFull(error)) throw error;
      rmSync(this.#reserve, { force: true });
      this.#delete.run(kind, id);
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Takes the space again that the removals on a full disk have used. */
function reserve(path: string): void {
  if (existsSync(path)) return;
  try {
    writeFileSync(path, Buffer.alloc(RESERVE), { mode: 0o600 });
  } catch {
    // The disk is full already.
    rmSync(path, { force: true });
  }
}

export interface RecordStore<T> {
  all(): T[];
  put(id: string, record: T): void;
  delete(id: string): void;
}
