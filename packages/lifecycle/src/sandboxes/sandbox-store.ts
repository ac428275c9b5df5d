// Sandboxes as records: what is to run them, whether or not they do (containerd's metadata/sandbox.go). Runs in berth-lifecycle.
import { EngineError } from '@berth/errdefs/engine-error';
import { Sandbox } from '@berth/rpc/gen/containerd/types/sandbox';
import { timestampNow } from '@berth/rpc/timestamp';
import type BetterSqlite3 from 'better-sqlite3';
import { Filter, labelAt } from '../metadata/filter.ts';
import { validateIdentifier } from '../metadata/identifier.ts';
import { updateLabels, validateLabels } from '../metadata/labels.ts';

/** The record is the wire's own message. */
export const SANDBOX_SCHEMA = `
  CREATE TABLE sandbox (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (namespace, id)
  );
`;

interface SandboxRow {
  record: Buffer;
}

/** What an update without a field mask means. */
const MUTABLE = ['labels', 'extensions', 'spec', 'runtime'];

export class SandboxStore {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: BetterSqlite3.Database) {
    this.#sql = prepare(database);
  }

  /** NotFound: `sandbox "<id>": not found`. */
  get(namespace: string, id: string): Sandbox {
    const row = this.#sql.get.get(namespace, id);
    if (!row) throw notFound(id);
    return Sandbox.decode(row.record);
  }

  list(namespace: string, filters: readonly string[] = []): Sandbox[] {
    const filter = new Filter(filters);
    return this.#sql.list
      .all(namespace)
      .map((row) => Sandbox.decode(row.record))
      .filter((sandbox) => filter.matches(sandbox, readSandbox));
  }

  /** AlreadyExists: `sandbox "<id>": already exists`. */
  create(namespace: string, wanted: Sandbox): Sandbox {
    const now = timestampNow();
    const sandbox: Sandbox = { ...wanted, createdAt: now, updatedAt: now };
    validate(sandbox);
    if (this.#sql.insert.run(namespace, sandbox.sandboxId, Sandbox.encode(sandbox)).changes === 0) {
      throw new EngineError('AlreadyExists', `sandbox "${sandbox.sandboxId}": already exists`, { layer: 'lifecycle' });
    }
    return sandbox;
  }

  /** Field paths: labels, labels.<key>, extensions, extensions.<key>, spec, runtime. InvalidArgument for others. */
  update(namespace: string, wanted: Sandbox, fieldPaths: readonly string[]): Sandbox {
    const id = wanted.sandboxId;
    const updated: Sandbox = { ...this.get(namespace, id), updatedAt: timestampNow() };
    if (fieldPaths.length === 0 && wanted.runtime?.name !== updated.runtime?.name)
      throw new EngineError('InvalidArgument', 'sandbox.Runtime.Name field is immutable: invalid argument', { layer: 'lifecycle' });
    for (const path of fieldPaths.length === 0 ? MUTABLE : fieldPaths) {
      if (path === 'labels' || path.startsWith('labels.')) updated.labels = updateLabels(updated.labels, wanted.labels, [path]);
      else if (path === 'extensions') updated.extensions = wanted.extensions;
      else if (path.startsWith('extensions.')) {
        const key = path.slice('extensions.'.length);
        const { [key]: _, ...others } = updated.extensions;
        const extension = wanted.extensions[key];
        updated.extensions = extension ? { ...others, [key]: extension } : others;
      } else if (path === 'spec') updated.spec = wanted.spec;
      else if (path === 'runtime') updated.runtime = wanted.runtime;
      else
        throw new EngineError('InvalidArgument', `cannot update "${path}" field on sandbox "${id}": invalid argument`, {
          layer: 'lifecycle',
        });
    }
    validate(updated);
    this.#sql.update.run(Sandbox.encode(updated), namespace, id);
    return updated;
  }

  delete(namespace: string, id: string): void {
    if (this.#sql.delete.run(namespace, id).changes === 0) throw notFound(id);
  }
}

function validate({ sandboxId, labels, runtime }: Sandbox): void {
  validateIdentifier(sandboxId, 'sandbox.ID: ');
  validateLabels(labels);
  if (!runtime?.name)
    throw new EngineError('InvalidArgument', 'sandbox.Runtime.Name must be set: invalid argument', { layer: 'lifecycle' });
}

function notFound(id: string): EngineError {
  return new EngineError('NotFound', `sandbox "${id}": not found`, { layer: 'lifecycle', details: { sandbox: id } });
}

function readSandbox(sandbox: Sandbox, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'id':
      return sandbox.sandboxId;
    case 'runtime':
      return path[1] === 'name' ? sandbox.runtime?.name : undefined;
    case 'labels':
      return labelAt(sandbox.labels, path);
    default:
      return undefined;
  }
}

function prepare(database: BetterSqlite3.Database) {
  return {
    get: database.prepare<[string, string], SandboxRow>('SELECT record FROM sandbox WHERE namespace = ? AND id = ?'),
    list: database.prepare<[string], SandboxRow>('SELECT record FROM sandbox WHERE namespace = ? ORDER BY id'),
    insert: database.prepare('INSERT OR IGNORE INTO sandbox (namespace, id, record) VALUES (?, ?, ?)'),
    update: database.prepare('UPDATE sandbox SET record = ? WHERE namespace = ? AND id = ?'),
    delete: database.prepare('DELETE FROM sandbox WHERE namespace = ? AND id = ?'),
  };
}
