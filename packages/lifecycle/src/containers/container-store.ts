// Containers: what is to run (spec, snapshot, runtime), whether or not it does. Runs in berth-lifecycle.
import { EngineError } from '@berth/errdefs/engine-error';
import { Container } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { timestampNow } from '@berth/rpc/timestamp';
import type BetterSqlite3 from 'better-sqlite3';
import { Filter, labelAt } from '../metadata/filter.ts';
import { validateIdentifier } from '../metadata/identifier.ts';
import { updateLabels, validateLabels } from '../metadata/labels.ts';
import type { ContainerRow } from './container-rows.ts';

/** What an update without a field mask means: all that may change. */
const MUTABLE = ['labels', 'spec', 'extensions', 'image', 'snapshotkey'];

/** What the garbage collector asks: the snapshot that a container stands on, and its labels. */
export type ContainerReferences = Pick<ContainerRow, 'namespace' | 'id' | 'snapshotter' | 'snapshot_key' | 'labels'>;

export class ContainerStore {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: BetterSqlite3.Database) {
    this.#sql = prepare(database);
  }

  /** NotFound: `container "<id>" in namespace "<namespace>": not found`. */
  get(namespace: string, id: string): Container {
    const row = this.#sql.get.get(namespace, id);
    if (!row) throw notFound(namespace, id);
    return Container.decode(row.record);
  }

  list(namespace: string, filters: readonly string[] = []): Container[] {
    const filter = new Filter(filters);
    return this.#sql.list
      .all(namespace)
      .map((row) => Container.decode(row.record))
      .filter((container) => filter.matches(container, readContainer));
  }

  references(): ContainerReferences[] {
    return this.#sql.references.all();
  }

  count(namespace: string): number {
    return this.#sql.count.get(namespace)?.count ?? 0;
  }

  /** AlreadyExists: `container "<id>": already exists`. */
  create(namespace: string, wanted: Container): Container {
    const now = timestampNow();
    const container: Container = { ...wanted, createdAt: now, updatedAt: now };
    validate(container, 'create container failed validation: ');
    const { changes } = this.#sql.insert.run(...columns(namespace, container));
    if (changes === 0) {
      throw new EngineError('AlreadyExists', `container "${container.id}": already exists`, {
        layer: 'lifecycle',
        details: { id: container.id },
      });
    }
    return container;
  }

  /** Field paths: labels, labels.<key>, extensions, extensions.<key>, spec, image, snapshotkey. InvalidArgument for others. */
  update(namespace: string, wanted: Container, fieldPaths: readonly string[]): Container {
    if (wanted.id === '') throw new EngineError('InvalidArgument', 'Container.ID required', { layer: 'lifecycle' });
    const current = this.get(namespace, wanted.id);
    if (fieldPaths.length === 0) {
      for (const field of ['snapshotter', 'sandbox'] as const) {
        if (wanted[field] !== '' && wanted[field] !== current[field])
          throw immutable(`container.${field === 'sandbox' ? 'SandboxID' : 'Snapshotter'} field is immutable`, wanted.id);
      }
      if (wanted.runtime && wanted.runtime.name !== current.runtime?.name)
        throw immutable('container.Runtime.Name field is immutable', wanted.id);
    }
    const updated: Container = { ...current, updatedAt: timestampNow() };
    for (const path of fieldPaths.length === 0 ? MUTABLE : fieldPaths) {
      if (path === 'labels' || path.startsWith('labels.'))
        updated.labels = updateLabels(updated.labels, wanted.labels, [path], 'containers');
      else if (path === 'extensions') updated.extensions = wanted.extensions;
      else if (path.startsWith('extensions.')) {
        const key = path.slice('extensions.'.length);
        const extension = wanted.extensions[key];
        const { [key]: _, ...others } = updated.extensions;
        updated.extensions = extension ? { ...others, [key]: extension } : others;
      } else if (path === 'spec') updated.spec = wanted.spec;
      else if (path === 'image') updated.image = wanted.image;
      else if (path === 'snapshotkey') updated.snapshotKey = wanted.snapshotKey;
      else throw immutable(`cannot update "${path}" field on "${wanted.id}"`, wanted.id);
    }
    validate(updated);
    this.#sql.replace.run(...columns(namespace, updated));
    return updated;
  }

  delete(namespace: string, id: string): void {
    if (this.#sql.delete.run(namespace, id).changes === 0) throw notFound(namespace, id);
  }
}

function validate(container: Container, place = ''): void {
  validateIdentifier(container.id, `${place}container.ID: `);
  validateLabels(container.labels, `${place}containers`);
  const missing = !container.runtime?.name
    ? 'container.Runtime.Name must be set'
    : container.snapshotKey !== '' && container.snapshotter === ''
      ? 'container.Snapshotter must be set if container.SnapshotKey is set'
      : undefined;
  if (missing)
    throw new EngineError('InvalidArgument', `${place}${missing}: invalid argument`, { layer: 'lifecycle', details: { id: container.id } });
}

function columns(namespace: string, container: Container): [string, string, string, string, string, Uint8Array] {
  const { id, snapshotter, snapshotKey, labels } = container;
  return [namespace, id, snapshotter, snapshotKey, JSON.stringify(labels), Container.encode(container)];
}

function notFound(namespace: string, id: string): EngineError {
  return new EngineError('NotFound', `container "${id}" in namespace "${namespace}": not found`, {
    layer: 'lifecycle',
    details: { namespace, id },
  });
}

function immutable(message: string, id: string): EngineError {
  return new EngineError('InvalidArgument', `${message}: invalid argument`, {
    layer: 'lifecycle',
    details: { id },
  });
}

function readContainer(container: Container, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'id':
      return container.id;
    // What is empty is not there, as in containerd: `image` alone asks for one.
    case 'image':
      return container.image || undefined;
    case 'runtime':
      return path[1] === 'name' ? container.runtime?.name : undefined;
    case 'snapshotter':
      return container.snapshotter || undefined;
    case 'labels':
      return labelAt(container.labels, path);
    default:
      return undefined;
  }
}

function prepare(database: BetterSqlite3.Database) {
  const all = '(namespace, id, snapshotter, snapshot_key, labels, record) VALUES (?, ?, ?, ?, ?, ?)';
  return {
    get: database.prepare<[string, string], ContainerRow>('SELECT * FROM container WHERE namespace = ? AND id = ?'),
    list: database.prepare<[string], ContainerRow>('SELECT * FROM container WHERE namespace = ? ORDER BY id'),
    count: database.prepare<[string], { count: number }>('SELECT count(*) AS count FROM container WHERE namespace = ?'),
    references: database.prepare<[], ContainerReferences>('SELECT namespace, id, snapshotter, snapshot_key, labels FROM container'),
    insert: database.prepare(`INSERT OR IGNORE INTO container ${all}`),
    replace: database.prepare(`REPLACE INTO container ${all}`),
    delete: database.prepare('DELETE FROM container WHERE namespace = ? AND id = ?'),
  };
}
