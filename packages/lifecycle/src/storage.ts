// The storage half of the lifecycle service, put together: content, images, snapshotters and layers over one root and one database.
// main.ts opens it; services/ and transfer/ use it.
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Database } from 'better-sqlite3';
import type { Config } from './config/keys.ts';
import { FileContent } from './content/file-content.ts';
import type { CopyJob } from './diff/copy-job.ts';
import type { Hashed, HashJob } from './diff/hash-job.ts';
import { UnpackPool } from './diff/unpack-pool.ts';
import { Unpacker } from './diff/unpacker.ts';
import { WorkerDiffer } from './diff/worker-differ.ts';
import { type Collected, GarbageCollector } from './gc/collector.ts';
import { SqliteImages } from './images/sqlite-image-store.ts';
import type { LeaseStore } from './leases/lease-store.ts';
import type { Scope } from './metadata/scope.ts';
import { DirectorySnapshots } from './snapshots/directory-snapshotter.ts';
import { NativeMechanism } from './snapshots/native-snapshotter.ts';
import { OverlayMechanism } from './snapshots/overlay-snapshotter.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import { type PublishEvent, storageEvents } from './storage-events.ts';

const DEFAULT_SNAPSHOTTER = 'overlayfs';

const DEFAULTS: StorageConfig = {
  contentSharing: 'shared',
  overlayRoot: '',
  overlayOptions: [],
  nativeRoot: '',
  hasSnapshotter: () => true,
};

export interface StorageOptions {
  /** The service's --root. */
  root: string;
  database: Database;
  leases: LeaseStore;
  publish: PublishEvent;
  /** Notes that a namespace exists: the first thing made in it brings it about. */
  ensureNamespace(namespace: string): void;
  config?: StorageConfig;
}

/** What an operator may choose. */
export type StorageConfig = Pick<Config, 'contentSharing' | 'overlayRoot' | 'overlayOptions' | 'nativeRoot'> & {
  hasSnapshotter(name: string): boolean;
};

export class Storage implements AsyncDisposable {
  readonly content: FileContent;
  readonly images: SqliteImages;
  readonly snapshotters: ReadonlyMap<string, DirectorySnapshots>;
  readonly differ: WorkerDiffer;
  readonly unpacker: Unpacker;
  readonly #collector: GarbageCollector;
  readonly #pool = new UnpackPool();

  constructor({ root, database, leases, publish, ensureNamespace, config = DEFAULTS }: StorageOptions) {
    const events = storageEvents((namespace, topic, event) => {
      ensureNamespace(namespace);
      publish(namespace, topic, event);
    });
    this.content = new FileContent({
      root: join(root, 'io.containerd.content.v1.content'),
      database,
      leases,
      onChange: events.content,
      hashFile: (path, algorithm) => this.#pool.run<Hashed>({ kind: 'hash', path, algorithm } satisfies HashJob),
      isolated: config.contentSharing === 'isolated',
    });
    this.images = new SqliteImages({ database, onChange: events.image });
    const copy = (from: string, to: string) => this.#pool.run<void>({ kind: 'copy', from, to } satisfies CopyJob);
    const mechanisms = [
      { mechanism: new OverlayMechanism({ mountOptions: config.overlayOptions }), elsewhere: config.overlayRoot },
      { mechanism: new NativeMechanism(copy), elsewhere: config.nativeRoot },
    ].filter(({ mechanism }) => config.hasSnapshotter(mechanism.name));
    this.snapshotters = new Map(
      mechanisms.map(({ mechanism, elsewhere }) => [
        mechanism.name,
        new DirectorySnapshots(mechanism, {
          root: elsewhere || join(root, `io.containerd.snapshotter.v1.${mechanism.name}`),
          database,
          leases,
          onChange: events.snapshot,
        }),
      ]),
    );
    this.differ = new WorkerDiffer(this.#pool);
    this.unpacker = new Unpacker(this.differ);
    this.#collector = new GarbageCollector({ database, content: this.content, snapshotters: this.snapshotters, leases });
  }

  /** '' is the default one; InvalidArgument for one that there is not, as containerd answers. */
  snapshotter(scope: Scope, name: string): Snapshotter {
    const snapshots = this.snapshotters.get(name || DEFAULT_SNAPSHOTTER);
    if (!snapshots) {
      const known = [...this.snapshotters.keys()].join(', ');
      throw new EngineError('InvalidArgument', `snapshotter not loaded: ${name} (there are: ${known}): invalid argument`, {
        layer: 'lifecycle',
      });
    }
    return snapshots.in(scope);
  }

  /** After a start: drops what crashes left behind. Nothing else may use the storage before it is done. */
  async recover(): Promise<void> {
    await this.content.recover();
    for (const snapshots of this.snapshotters.values()) await snapshots.cleanup();
  }

  /** Deletes what nothing refers to; resolves when its files are gone. */
  async collect(): Promise<Collected> {
    const collected = await this.#collector.collect();
    await Promise.all([...this.snapshotters.values()].map((snapshots) => snapshots.settle()));
    return collected;
  }

  /** Waits for deletions and writes under way, then ends the worker threads. The database stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.content.flush(), ...[...this.snapshotters.values()].map((snapshots) => snapshots.settle())]);
    await this.#pool[Symbol.asyncDispose]();
  }
}
