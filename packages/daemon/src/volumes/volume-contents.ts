// What can be done with a volume's files as a whole, beyond Docker: `export` and `import` as tar archives, `snapshot` and back.
//
// New content never grows in place: it is made beside the old (`_new`), and the two change places in one step of the kernel. Whoever is
// killed before that leaves the old content, after that the new; the next start removes the rest (LocalVolumes.recover).
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { VolumeSnapshot } from '@berth/api/volume';
import { EngineError } from '@berth/errdefs/engine-error';
import type { CopyJob } from '@berth/lifecycle/diff/copy-job';
import { placeArchive } from '@berth/lifecycle/diff/place-archive';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { statAt } from '@berth/sys/byte-path';
import { O } from '@berth/sys/path';
import { packTree } from '../containers/files/pack-tree.ts';
import { nowText } from '../state/clock.ts';
import { deleteSoon, type LocalVolumes } from './local-volumes.ts';
import type { VolumeRecord, Volumes } from './volumes.ts';

const SNAPSHOT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export class VolumeContents {
  readonly #volumes: Volumes;
  readonly #local: LocalVolumes;
  readonly #threads: UnpackPool;

  constructor(volumes: Volumes, threads: UnpackPool) {
    this.#volumes = volumes;
    this.#local = volumes.local;
    this.#threads = threads;
  }

  /** `send` gets the archive while the files are held: any driver's. */
  async export(name: string, send: (archive: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
    await this.#held(name, async (path) => {
      const directory = openSync(path, O.RDONLY | O.DIRECTORY);
      try {
        const stat = statAt(directory, '.');
        if (typeof stat === 'number') throw new EngineError('Internal', `the volume ${name} cannot be read`, { layer: 'daemon' });
        await send(packTree({ directory, name: '.', stat, as: '.' }));
      } finally {
        closeSync(directory);
      }
    });
  }

  /** The archive's files instead of those that the volume has: all of them, or with an error none. */
  async import(name: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
    const unpack = async (path: string) => {
      const root = openSync(path, O.RDONLY | O.DIRECTORY);
      try {
        await placeArchive(this.#threads, archive, root, { baseToo: true, noDevices: true, replaceLinks: true });
      } finally {
        closeSync(root);
      }
    };
    const record = this.#volumes.record(name);
    if (this.#local.isOwn(record)) return await this.#local.replace(record, unpack);
    // Files that are elsewhere cannot change places: only an empty volume takes them, and is empty again when that fails.
    await this.#held(name, async (path) => {
      if (readdirSync(path).length > 0) {
        throw new EngineError(
          'FailedPrecondition',
          `the volume ${name} (driver ${record.driver ?? 'local'}, with options) is not empty: only an empty one can be imported to`,
          { layer: 'daemon' },
        );
      }
      try {
        await unpack(path);
      } catch (error) {
        for (const left of readdirSync(path)) rmSync(join(path, left), { recursive: true, force: true });
        throw error;
      }
    });
  }

  snapshots(name: string): VolumeSnapshot[] {
    return [...(this.#own(name).snapshots ?? [])];
  }

  /** The files as they are now: cloned where the file system can, else copied. */
  async snapshot(name: string, snapshot: string): Promise<VolumeSnapshot> {
    const record = this.#own(name);
    if (!SNAPSHOT_NAME.test(snapshot)) {
      throw new EngineError('InvalidArgument', `"${snapshot}" is no name for a snapshot: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is`, {
        layer: 'daemon',
      });
    }
    const place = this.#local.snapshot(name, snapshot);
    const growing = this.#local.snapshot(name, `.${randomUUID()}`);
    mkdirSync(growing, { recursive: true, mode: 0o700 });
    try {
      await this.#held(name, (path) => this.#copy(path, growing));
      if (record.snapshots?.some((one) => one.Name === snapshot)) {
        throw new EngineError('AlreadyExists', `the volume ${name} has a snapshot ${snapshot} already`, { layer: 'daemon' });
      }
      // A crash may have left one that no record names.
      rmSync(place, { recursive: true, force: true });
      renameSync(growing, place);
    } catch (error) {
      deleteSoon(growing);
      throw error;
    }
    const made = { Name: snapshot, CreatedAt: nowText() };
    record.snapshots = [...(record.snapshots ?? []), made];
    this.#volumes.save(record);
    return made;
  }

  /** The snapshot's files instead of those that the volume has; the snapshot stays. */
  async restore(name: string, snapshot: string): Promise<void> {
    const record = this.#own(name);
    this.#find(record, snapshot);
    await this.#local.replace(record, (path) => this.#copy(this.#local.snapshot(name, snapshot), path));
  }

  removeSnapshot(name: string, snapshot: string): void {
    const record = this.#own(name);
    this.#find(record, snapshot);
    record.snapshots = record.snapshots?.filter((one) => one.Name !== snapshot);
    this.#volumes.save(record);
    deleteSoon(this.#local.snapshot(name, snapshot));
  }

  #copy(from: string, to: string): Promise<void> {
    return this.#threads.run<void>({ kind: 'copy', from, to } satisfies CopyJob);
  }

  /** Lends the files, as to a container. */
  async #held<T>(name: string, body: (path: string) => Promise<T>): Promise<T> {
    const holder = randomUUID();
    const path = await this.#volumes.mount(name, holder);
    try {
      return await body(path);
    } finally {
      await this.#volumes.unmount(name, holder);
    }
  }

  #own(name: string): VolumeRecord {
    const record = this.#volumes.record(name);
    if (this.#local.isOwn(record)) return record;
    const whose = record.driver ? `is kept by the plugin ${record.driver}` : `stands for a mount (type ${record.options?.type})`;
    throw new EngineError('NotImplemented', `the volume ${name} ${whose}: only volumes whose files the engine keeps have snapshots`, {
      layer: 'daemon',
    });
  }

  #find(record: VolumeRecord, snapshot: string): void {
    if (record.snapshots?.some((one) => one.Name === snapshot)) return;
    throw new EngineError('NotFound', `the volume ${record.name} has no snapshot ${snapshot}`, { layer: 'daemon' });
  }
}
