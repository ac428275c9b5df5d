// Namespaces: every other object belongs to one, and sees nothing of the others. One is made by name, or by the first object in it.
import { EngineError } from '@berth/errdefs/engine-error';
import type BetterSqlite3 from 'better-sqlite3';
import { validateIdentifier } from '../metadata/identifier.ts';
import { type Labels, updateLabels, validateLabels } from '../metadata/labels.ts';

export const NAMESPACE_SCHEMA = `
  CREATE TABLE namespace (
    name TEXT PRIMARY KEY,
    labels TEXT NOT NULL
  ) WITHOUT ROWID;
`;

export interface Namespace {
  name: string;
  labels: Labels;
}

interface NamespaceRow {
  name: string;
  /** JSON. */
  labels: string;
}

/** What keeps a namespace from being deleted: the nouns it still holds. */
export type NamespaceContents = (namespace: string) => string[];

export class NamespaceStore {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #contents: NamespaceContents;
  /** Those that certainly exist: `ensure` is on the path of every container. */
  readonly #known = new Set<string>();

  constructor(database: BetterSqlite3.Database, contents: NamespaceContents) {
    this.#sql = prepare(database);
    this.#contents = contents;
  }

  find(name: string): Namespace | undefined {
    const row = this.#sql.get.get(name);
    return row && { name: row.name, labels: JSON.parse(row.labels) as Labels };
  }

  /** One that nobody has made yet has no labels: clients ask for the labels of a namespace that they are about to use. */
  get(name: string): Namespace {
    const row = this.#sql.get.get(name);
    return { name, labels: row ? (JSON.parse(row.labels) as Labels) : {} };
  }

  list(): Namespace[] {
    return this.#sql.list.all().map(({ name, labels }) => ({ name, labels: JSON.parse(labels) as Labels }));
  }

  create(name: string, labels: Labels): Namespace {
    validateIdentifier(name);
    validateLabels(labels, 'namespace');
    if (this.#sql.insert.run(name, JSON.stringify(labels)).changes === 0) {
      throw new EngineError('AlreadyExists', `namespace "${name}": already exists`, { layer: 'lifecycle', details: { namespace: name } });
    }
    this.#known.add(name);
    return { name, labels };
  }

  /** Field paths: `labels`, `labels.<key>`; none replaces all labels. */
  update(name: string, labels: Labels, fieldPaths: readonly string[]): Namespace {
    const foreign = fieldPaths.find((path) => path !== 'labels' && !path.startsWith('labels.'));
    if (foreign !== undefined) throw new EngineError('InvalidArgument', `cannot update "${foreign}" field`);
    this.ensure(name);
    const updated = updateLabels(this.get(name).labels, labels, fieldPaths, 'namespace');
    this.#sql.update.run(JSON.stringify(updated), name);
    return { name, labels: updated };
  }

  /** FailedPrecondition while anything is in it. */
  delete(name: string): void {
    const left = this.#contents(name);
    if (left.length > 0) {
      throw new EngineError(
        'FailedPrecondition',
        `namespace "${name}" must be empty, but it still has ${left.join(', ')}: failed precondition`,
        { layer: 'lifecycle' },
      );
    }
    this.#known.delete(name);
    if (this.#sql.delete.run(name).changes === 0) {
      throw new EngineError('NotFound', `namespace "${name}": not found`, { layer: 'lifecycle', details: { namespace: name } });
    }
  }

  /** Makes the namespace when it does not exist yet; objects may be created in it then. */
  ensure(name: string): void {
    if (this.#known.has(name)) return;
    validateIdentifier(name);
    this.#sql.insert.run(name, '{}');
    this.#known.add(name);
  }
}

function prepare(database: BetterSqlite3.Database) {
  return {
    get: database.prepare<[string], NamespaceRow>('SELECT * FROM namespace WHERE name = ?'),
    list: database.prepare<[], NamespaceRow>('SELECT * FROM namespace ORDER BY name'),
    insert: database.prepare<[string, string]>('INSERT OR IGNORE INTO namespace (name, labels) VALUES (?, ?)'),
    update: database.prepare<[string, string]>('UPDATE namespace SET labels = ? WHERE name = ?'),
    delete: database.prepare<[string]>('DELETE FROM namespace WHERE name = ?'),
  };
}
