// What snapshotters that keep one directory a snapshot have in common: `<root>/snapshots/<number>`, made inside the database
// transaction that adds the row, renamed away inside the one that drops it, deleted in the background. Runs in the lifecycle service.
//
// Crashes: a directory without a row is left over from a prepare or remove that did not finish; `cleanup` deletes it. A row without
// a directory cannot be, short of power loss, because the directory is made first and the row's transaction ends last.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, isDatabaseFull } from '@berth/errdefs/engine-error';
import type { Database } from 'better-sqlite3';
import { Filter, labelAt } from '../metadata/filter.ts';
import { type Labels, updateLabels } from '../metadata/labels.ts';
import type { LeaseResources, Scope } from '../metadata/scope.ts';
import { deleteTree } from './delete-tree.ts';
import { diskUsage } from './disk-usage.ts';
import { idMappingOf } from './id-mapping.ts';
import { SnapshotRows } from './snapshot-rows.ts';
import type { Mount, SnapshotInfo, Snapshotter, Usage } from './snapshotter.ts';

export type SnapshotChange =
  | { kind: 'prepared'; key: string; parent: string }
  | { kind: 'committed'; key: string; name: string }
  | { kind: 'removed'; key: string };

export interface SnapshotterOptions {
  /** Where this snapshotter keeps its directories. */
  root: string;
  database: Database;
  leases: LeaseResources;
  onChange?: (namespace: string, snapshotter: string, change: SnapshotChange) => void;
}

/** The mechanism: how one snapshot's directory is made and mounted. */
export interface DirectoryMechanism {
  readonly name: string;
  readonly rebases: boolean;
  /** Makes `directory` for a snapshot above `parents` (directories, nearest first). Synchronous, in the row's transaction. */
  /** `owner` is whose the root is to be, other than the uppermost parent's. */
  create(directory: string, kind: 'active' | 'view', parents: readonly string[], owner?: { uid: number; gid: number }): void;
  /** What must be done before a new snapshot can be used and is too long for a transaction. */
  fill?(directory: string, kind: 'active' | 'view', parents: readonly string[]): Promise<void>;
  mounts(directory: string, kind: 'active' | 'view', parents: readonly string[]): Mount[];
  /** The directory whose files are the snapshot's own. */
  ownFiles(directory: string): string;
}

/** One snapshotter of the machine; `in` gives one namespace's view. */
export class DirectorySnapshots {
  readonly mechanism: DirectoryMechanism;
  readonly rows: SnapshotRows;
  readonly options: SnapshotterOptions;
  readonly #directories: string;
  readonly #deleting = new Set<Promise<void>>();

  constructor(mechanism: DirectoryMechanism, options: SnapshotterOptions) {
    this.mechanism = mechanism;
    this.options = options;
    this.rows = new SnapshotRows(options.database, mechanism.name);
    this.#directories = join(options.root, 'snapshots');
    mkdirSync(this.#directories, { recursive: true, mode: 0o700 });
  }

  get name(): string {
    return this.mechanism.name;
  }

  get root(): string {
    return this.options.root;
  }

  in(scope: Scope): Snapshotter {
    return new NamespaceSnapshotter(this, scope);
  }

  directory(id: number): string {
    return join(this.#directories, String(id));
  }

  parents(id: number): string[] {
    return this.rows.parents(id).map((parent) => this.directory(parent));
  }

  /** Renames a directory away and deletes it behind the caller's back. */
  discard(id: number): void {
    const directory = this.directory(id);
    const doomed = join(this.#directories, `rm-${id}`);
    try {
      renameSync(directory, doomed);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const deleting = deleteTree(doomed)
      .catch(() => {
        // Busy or refused: cleanup tries again at the next start or garbage collection.
      })
      .finally(() => this.#deleting.delete(deleting));
    this.#deleting.add(deleting);
  }

  async cleanup(): Promise<void> {
    await Promise.all(this.#deleting);
    const used = this.rows.ids();
    const orphans = readdirSync(this.#directories).filter((name) => !used.has(Number(name)));
    for (const name of orphans) await rm(join(this.#directories, name), { recursive: true, force: true });
  }

  /** Waits for the deletions under way. */
  async settle(): Promise<void> {
    await Promise.all(this.#deleting);
  }
}

class NamespaceSnapshotter implements Snapshotter {
  readonly #snapshots: DirectorySnapshots;
  readonly #scope: Scope;

  constructor(snapshots: DirectorySnapshots, scope: Scope) {
    this.#snapshots = snapshots;
    this.#scope = scope;
  }

  get name(): string {
    return this.#snapshots.name;
  }

  get rebases(): boolean {
    return this.#snapshots.mechanism.rebases;
  }

  prepare(key: string, parent?: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create('active', key, parent, labels);
  }

  view(key: string, parent?: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create('view', key, parent, labels);
  }

  async #create(kind: 'active' | 'view', key: string, parent: string | undefined, labels: Labels): Promise<Mount[]> {
    const { mechanism, rows, options } = this.#snapshots;
    const { namespace, lease } = this.#scope;
    const mapping = idMappingOf(labels);
    let directory = '';
    let parents: string[] = [];
    let id: number;
    try {
      id = rows.add(namespace, kind, key, parent, labels, (number, ancestors) => {
        directory = this.#snapshots.directory(number);
        parents = ancestors.map((ancestor) => this.#snapshots.directory(ancestor));
        // A number that a crash left a directory for is given out again, because its row was never committed.
        if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
        mechanism.create(directory, kind, parents, mapping?.root);
        if (lease) options.leases.addResource(namespace, lease, `snapshots/${this.name}`, key);
      });
    } catch (error) {
      if (directory) rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    try {
      await mechanism.fill?.(directory, kind, parents);
    } catch (error) {
      rows.drop(namespace, key, () => this.#snapshots.discard(id));
      throw error;
    }
    // As in containerd, nobody is told of a view.
    if (kind === 'active') options.onChange?.(namespace, this.name, { kind: 'prepared', key, parent: parent ?? '' });
    return mechanism.mounts(directory, kind, parents);
  }

  async mounts(key: string): Promise<Mount[]> {
    const { id, info } = this.#snapshots.rows.get(this.#scope.namespace, key);
    if (info.kind === 'committed') {
      throw new EngineError('FailedPrecondition', `requested snapshot ${key} not active or view: failed precondition`, {
        layer: 'lifecycle',
      });
    }
    return this.#snapshots.mechanism.mounts(this.#snapshots.directory(id), info.kind, this.#snapshots.parents(id));
  }

  async commit(name: string, key: string, options: { labels?: Labels; parent?: string } = {}): Promise<void> {
    if (options.parent && !this.rebases && this.stat(key).parent !== options.parent) {
      throw new EngineError(
        'InvalidArgument',
        `snapshotter ${this.name} cannot change a snapshot's parent on commit: prepare ${key} above ${options.parent} instead`,
        { layer: 'lifecycle' },
      );
    }
    const { namespace, lease } = this.#scope;
    this.#snapshots.rows.commit(namespace, name, key, options);
    if (lease) this.#snapshots.options.leases.addResource(namespace, lease, `snapshots/${this.name}`, name);
    this.#snapshots.options.onChange?.(namespace, this.name, { kind: 'committed', key, name });
  }

  async remove(name: string): Promise<void> {
    const { namespace } = this.#scope;
    this.#snapshots.rows.drop(namespace, name, (id) => this.#snapshots.discard(id));
    this.#snapshots.options.onChange?.(namespace, this.name, { kind: 'removed', key: name });
  }

  stat(name: string): SnapshotInfo {
    return this.#snapshots.rows.get(this.#scope.namespace, name).info;
  }

  retain(name: string): SnapshotInfo {
    const info = this.stat(name);
    const { namespace, lease } = this.#scope;
    if (lease) this.#snapshots.options.leases.addResource(namespace, lease, `snapshots/${this.name}`, name);
    return info;
  }

  update(name: string, labels: Labels, fieldPaths: readonly string[] = []): SnapshotInfo {
    const { id, info } = this.#snapshots.rows.get(this.#scope.namespace, name);
    const foreign = fieldPaths.find((path) => path !== 'labels' && !path.startsWith('labels.'));
    if (foreign !== undefined)
      throw new EngineError('InvalidArgument', `cannot update "${foreign}" field on snapshot "${name}": invalid argument`);
    this.#snapshots.rows.setLabels(id, updateLabels(info.labels, labels, fieldPaths));
    return this.stat(name);
  }

  list(filters?: readonly string[]): SnapshotInfo[] {
    const filter = new Filter(filters);
    const snapshots = this.#snapshots.rows.list(this.#scope.namespace).map((stored) => stored.info);
    return snapshots.filter((info) => filter.matches(info, readInfo));
  }

  async usage(name: string, options: { signal?: AbortSignal } = {}): Promise<Usage> {
    const { id, info, usage } = this.#snapshots.rows.get(this.#scope.namespace, name);
    if (usage) return usage;
    // Nothing is ever written into one.
    if (info.kind === 'view') return { inodes: 0, size: 0 };
    const counted = await diskUsage(this.#snapshots.mechanism.ownFiles(this.#snapshots.directory(id)), options);
    if (info.kind === 'committed') this.#remember(id, counted);
    return counted;
  }

  /** Without room to remember it, it is counted again the next time: to look costs no space. */
  #remember(id: number, usage: Usage): void {
    try {
      this.#snapshots.rows.setUsage(id, usage);
    } catch (error) {
      if (!isDatabaseFull(error)) throw error;
    }
  }

  cleanup(): Promise<void> {
    return this.#snapshots.cleanup();
  }
}

function readInfo(info: SnapshotInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'name':
      return info.name;
    case 'kind':
      return info.kind;
    case 'parent':
      return info.parent;
    case 'labels':
      return labelAt(info.labels, path);
    default:
      return undefined;
  }
}
