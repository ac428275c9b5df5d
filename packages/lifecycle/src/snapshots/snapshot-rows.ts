// What all snapshotters share: which snapshots there are, their parents and states, in the service's database. Each snapshotter
// keeps the files of a row under the row's number. Rows and files change together: `add` and `drop` run inside a transaction whose
// last step is the caller's work on files.
import { EngineError } from '@berth/errdefs/engine-error';
import type BetterSqlite3 from 'better-sqlite3';
import { type Labels, validateLabels } from '../metadata/labels.ts';
import type { SnapshotInfo, SnapshotKind, Usage } from './snapshotter.ts';

export const SNAPSHOT_SCHEMA = `
  CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshotter TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
    parent INTEGER REFERENCES snapshot (id),
    labels TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    inodes INTEGER,
    size INTEGER,
    UNIQUE (snapshotter, namespace, name)
  );
  CREATE INDEX snapshot_parent ON snapshot (parent);
`;

interface Row {
  id: number;
  namespace: string;
  name: string;
  kind: SnapshotKind;
  parent: number | null;
  parentName: string | null;
  labels: string;
  created: number;
  updated: number;
  inodes: number | null;
  size: number | null;
}

export interface StoredSnapshot {
  /** Names the snapshot's directory. */
  id: number;
  info: SnapshotInfo;
  /** Known for committed snapshots once it was asked for. */
  usage?: Usage;
}

export class SnapshotRows {
  readonly #database: BetterSqlite3.Database;
  readonly #snapshotter: string;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: BetterSqlite3.Database, snapshotter: string) {
    this.#database = database;
    this.#snapshotter = snapshotter;
    this.#sql = prepare(database);
  }

  find(namespace: string, name: string): StoredSnapshot | undefined {
    const row = this.#sql.get.get(this.#snapshotter, namespace, name);
    return row && storedOf(row);
  }

  get(namespace: string, name: string): StoredSnapshot {
    const found = this.find(namespace, name);
    if (!found)
      throw new EngineError('NotFound', `snapshot ${name} does not exist: not found`, { layer: 'lifecycle', details: { snapshot: name } });
    return found;
  }

  list(namespace: string): StoredSnapshot[] {
    return this.#sql.list.all(this.#snapshotter, namespace).map(storedOf);
  }

  /** The numbers of a snapshot's ancestors, nearest first. */
  parents(id: number): number[] {
    return this.#sql.parents.all(id).map((row) => row.id);
  }

  /** Every number in use, in all namespaces. */
  ids(): Set<number> {
    return new Set(this.#sql.ids.all(this.#snapshotter).map((row) => row.id));
  }

  add(
    namespace: string,
    kind: 'active' | 'view',
    key: string,
    parent: string | undefined,
    labels: Labels,
    files: (id: number, parents: number[]) => void,
  ): number {
    if (!key) throw new EngineError('InvalidArgument', 'snapshot key must not be empty: invalid argument', { layer: 'lifecycle' });
    validateLabels(labels);
    return this.#transaction(() => {
      if (this.#sql.get.get(this.#snapshotter, namespace, key)) throw exists(key);
      const parentId = parent ? this.#committed(namespace, parent) : null;
      const now = Date.now();
      const { lastInsertRowid } = this.#sql.insert.run(this.#snapshotter, namespace, key, kind, parentId, JSON.stringify(labels), now, now);
      const id = Number(lastInsertRowid);
      files(id, this.parents(id));
      return id;
    });
  }

  #committed(namespace: string, name: string): number {
    const row = this.#sql.get.get(this.#snapshotter, namespace, name);
    if (!row)
      throw new EngineError('NotFound', `parent snapshot ${name} does not exist: not found`, {
        layer: 'lifecycle',
        details: { snapshot: name },
      });
    if (row.kind !== 'committed')
      throw new EngineError('InvalidArgument', `parent "${name}" is not committed snapshot: invalid argument`, { layer: 'lifecycle' });
    return row.id;
  }

  commit(namespace: string, name: string, key: string, options: { labels?: Labels; parent?: string } = {}): number {
    if (!name) throw new EngineError('InvalidArgument', 'snapshot name must not be empty: invalid argument', { layer: 'lifecycle' });
    validateLabels(options.labels ?? {});
    return this.#transaction(() => {
      if (this.#sql.get.get(this.#snapshotter, namespace, name)) throw exists(name);
      const { id, info } = this.get(namespace, key);
      if (info.kind !== 'active')
        throw new EngineError('FailedPrecondition', `snapshot "${key}" is not active: failed precondition`, { layer: 'lifecycle' });
      if (options.parent && info.parent && options.parent !== info.parent) {
        throw new EngineError('InvalidArgument', `cannot change parent of active snapshot "${key}" on commit: invalid argument`, {
          layer: 'lifecycle',
        });
      }
      const parent = options.parent ?? info.parent;
      const labels = options.labels ?? {};
      this.#sql.commit.run(name, parent ? this.#committed(namespace, parent) : null, JSON.stringify(labels), Date.now(), id);
      return id;
    });
  }

  drop(namespace: string, name: string, files: (id: number) => void): void {
    this.#transaction(() => {
      const { id } = this.get(namespace, name);
      if (this.#sql.child.get(id)) {
        throw new EngineError('FailedPrecondition', 'cannot remove snapshot with child: failed precondition', {
          layer: 'lifecycle',
          details: { snapshot: name },
        });
      }
      this.#sql.delete.run(id);
      files(id);
    });
  }

  setLabels(id: number, labels: Labels): void {
    this.#sql.labels.run(JSON.stringify(labels), Date.now(), id);
  }

  setUsage(id: number, usage: Usage): void {
    this.#sql.usage.run(usage.inodes, usage.size, id);
  }

  #transaction<T>(body: () => T): T {
    return this.#database.transaction(body).immediate();
  }
}

function prepare(database: BetterSqlite3.Database) {
  const columns = 's.*, p.name AS parentName FROM snapshot s LEFT JOIN snapshot p ON p.id = s.parent';
  return {
    get: database.prepare<[string, string, string], Row>(`SELECT ${columns} WHERE s.snapshotter = ? AND s.namespace = ? AND s.name = ?`),
    list: database.prepare<[string, string], Row>(`SELECT ${columns} WHERE s.snapshotter = ? AND s.namespace = ? ORDER BY s.name`),
    ids: database.prepare<[string], { id: number }>('SELECT id FROM snapshot WHERE snapshotter = ?'),
    parents: database.prepare<[number], { id: number }>(
      `WITH RECURSIVE up (id, depth) AS (
         SELECT parent, 1 FROM snapshot WHERE id = ? AND parent IS NOT NULL
         UNION ALL SELECT s.parent, depth + 1 FROM snapshot s JOIN up ON s.id = up.id WHERE s.parent IS NOT NULL
       ) SELECT id FROM up ORDER BY depth`,
    ),
    child: database.prepare<[number], { id: number }>('SELECT id FROM snapshot WHERE parent = ? LIMIT 1'),
    insert: database.prepare(
      'INSERT INTO snapshot (snapshotter, namespace, name, kind, parent, labels, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    commit: database.prepare("UPDATE snapshot SET kind = 'committed', name = ?, parent = ?, labels = ?, updated = ? WHERE id = ?"),
    delete: database.prepare('DELETE FROM snapshot WHERE id = ?'),
    labels: database.prepare('UPDATE snapshot SET labels = ?, updated = ? WHERE id = ?'),
    usage: database.prepare('UPDATE snapshot SET inodes = ?, size = ? WHERE id = ?'),
  };
}

function storedOf(row: Row): StoredSnapshot {
  const info: SnapshotInfo = {
    kind: row.kind,
    name: row.name,
    parent: row.parentName ?? undefined,
    labels: JSON.parse(row.labels),
    createdAt: new Date(row.created),
    updatedAt: new Date(row.updated),
  };
  return row.size === null ? { id: row.id, info } : { id: row.id, info, usage: { inodes: row.inodes ?? 0, size: row.size } };
}

function exists(name: string): EngineError {
  return new EngineError('AlreadyExists', `snapshot "${name}": already exists`, { layer: 'lifecycle', details: { snapshot: name } });
}
