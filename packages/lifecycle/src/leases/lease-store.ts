// Leases: while one exists, the garbage collector leaves what it names alone. A client takes one before it pulls or makes a container
// and ends it when the result is referred to by an image or a container. Runs in berth-lifecycle.
import { randomBytes } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import type BetterSqlite3 from 'better-sqlite3';
import { Filter, labelAt } from '../metadata/filter.ts';
import { type Labels, validateLabels } from '../metadata/labels.ts';
import type { LeaseResources, ResourceType } from '../metadata/scope.ts';
import type { LeaseRow } from './lease-rows.ts';

/** RFC 3339: the lease counts for nothing after this time. */
export const EXPIRE_LABEL = 'containerd.io/gc.expire';

export interface Lease {
  id: string;
  /** Milliseconds since 1970. */
  created: number;
  labels: Labels;
}

export interface Resource {
  type: ResourceType;
  id: string;
}

export class LeaseStore implements LeaseResources {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: BetterSqlite3.Database) {
    this.#sql = prepare(database);
  }

  /**
   * An empty id is chosen here. Any other is taken as it is, as containerd does: clients make them of a time and random base64, which
   * is no identifier. AlreadyExists: `lease "<id>": already exists`.
   */
  create(namespace: string, id: string, labels: Labels): Lease {
    const lease: Lease = { id: id || randomBytes(12).toString('hex'), created: Date.now(), labels };
    validateLabels(labels);
    const { changes } = this.#sql.insert.run(namespace, lease.id, lease.created, JSON.stringify(labels));
    if (changes === 0)
      throw new EngineError('AlreadyExists', `lease "${lease.id}": already exists`, { layer: 'lifecycle', details: { lease: lease.id } });
    return lease;
  }

  list(namespace: string, filters: readonly string[] = []): Lease[] {
    const filter = new Filter(filters);
    return this.#sql.list
      .all(namespace)
      .map(leaseOf)
      .filter((lease) => filter.matches(lease, readLease));
  }

  /** Every lease of every namespace, for the garbage collector; expired ones included. */
  listAll(): (Lease & { namespace: string })[] {
    return this.#sql.listAll.all().map((row) => ({ ...leaseOf(row), namespace: row.namespace }));
  }

  delete(namespace: string, id: string): void {
    if (this.#sql.delete.run(namespace, id).changes === 0) throw notFound(id);
  }

  addResource(namespace: string, lease: string, type: ResourceType, id: string): void {
    this.#require(namespace, lease);
    this.#sql.add.run(namespace, lease, type, id);
  }

  deleteResource(namespace: string, lease: string, type: ResourceType, id: string): void {
    this.#require(namespace, lease);
    this.#sql.remove.run(namespace, lease, type, id);
  }

  resources(namespace: string, lease: string): Resource[] {
    this.#require(namespace, lease);
    return this.#sql.resources.all(namespace, lease);
  }

  #require(namespace: string, id: string): void {
    if (!this.#sql.get.get(namespace, id)) throw notFound(id);
  }
}

function notFound(id: string): EngineError {
  return new EngineError('NotFound', `lease "${id}": not found`, { layer: 'lifecycle', details: { lease: id } });
}

function leaseOf({ id, created, labels }: LeaseRow): Lease {
  return { id, created, labels: JSON.parse(labels) as Labels };
}

function readLease(lease: Lease, path: readonly string[]): string | undefined {
  if (path[0] === 'id') return lease.id;
  return path[0] === 'labels' ? labelAt(lease.labels, path) : undefined;
}

function prepare(database: BetterSqlite3.Database) {
  return {
    get: database.prepare<[string, string], { id: string }>('SELECT id FROM lease WHERE namespace = ? AND id = ?'),
    list: database.prepare<[string], LeaseRow>('SELECT * FROM lease WHERE namespace = ? ORDER BY id'),
    listAll: database.prepare<[], LeaseRow>('SELECT * FROM lease'),
    insert: database.prepare('INSERT OR IGNORE INTO lease (namespace, id, created, labels) VALUES (?, ?, ?, ?)'),
    delete: database.prepare('DELETE FROM lease WHERE namespace = ? AND id = ?'),
    add: database.prepare('INSERT OR IGNORE INTO lease_resource (namespace, lease, type, id) VALUES (?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM lease_resource WHERE namespace = ? AND lease = ? AND type = ? AND id = ?'),
    resources: database.prepare<[string, string], Resource>('SELECT type, id FROM lease_resource WHERE namespace = ? AND lease = ?'),
  };
}
