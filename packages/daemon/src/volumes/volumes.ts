// Volumes by name: those of the `local` driver, whose files local-volumes.ts keeps, and those of plugins, which keep theirs. Which
// containers have a volume is asked of the containers, never counted here.
import { randomBytes } from 'node:crypto';
import type { Filters } from '@berth/api/filters';
import type { Volume, VolumeCreateRequest, VolumeListResponse, VolumeSnapshot } from '@berth/api/volume';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import type { Events } from '../events/events.ts';
import { nowText } from '../state/clock.ts';
import type { RecordStore } from '../state/database.ts';
import { checkLocalOptions } from './local-options.ts';
import { LocalVolumes } from './local-volumes.ts';
import type { PluginVolume, VolumePlugins } from './volume-plugins.ts';

export interface VolumeRecord {
  name: string;
  createdAt: string;
  labels: Record<string, string> | null;
  options: Record<string, string> | null;
  /** Made up for one container. */
  anonymous: boolean;
  /** The plugin that it is of; none for a local one. */
  driver?: string;
  scope?: 'local' | 'global';
  /** What keeps it to its size: a project of the file system's quota, or a file system of its own in a file. */
  limit?: { readonly project: number } | 'image';
  snapshots?: readonly VolumeSnapshot[];
  /** Its name before a rename that has not ended. */
  formerName?: string;
}

export const VOLUME_FILTERS = ['dangling', 'driver', 'label', 'name'] as const;
export const VOLUME_PRUNE_FILTERS = ['label', 'label!', 'all'] as const;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Ids of the containers that mount a volume. */
export type VolumeUsers = (name: string) => readonly string[];

export interface VolumesOptions {
  readonly root: string;
  readonly records: RecordStore<VolumeRecord>;
  readonly plugins: VolumePlugins;
  readonly events: Events;
  readonly usersOf: VolumeUsers;
}

export class Volumes {
  readonly local: LocalVolumes;
  readonly #records: RecordStore<VolumeRecord>;
  readonly #byName = new Map<string, VolumeRecord>();
  readonly #events: Events;
  readonly #usersOf: VolumeUsers;

  readonly #plugins: VolumePlugins;
  /** Volumes that are being made, by name. */
  readonly #making = new Map<string, Promise<Volume>>();

  constructor({ root, records, plugins, events, usersOf }: VolumesOptions) {
    this.local = new LocalVolumes(root);
    this.#plugins = plugins;
    this.#records = records;
    this.#events = events;
    this.#usersOf = usersOf;
    for (const record of records.all()) this.#byName.set(record.name, record);
    for (const record of this.#byName.values()) if (record.formerName !== undefined) this.#finishRename(record, record.formerName);
  }

  /** Makes a volume of any driver, or returns the one of that name. Without a name it is one container's alone. */
  async ensure(request: VolumeCreateRequest): Promise<Volume> {
    const name = request.Name || randomBytes(32).toString('hex');
    await this.#making.get(name)?.catch(() => {});
    const existing = this.#byName.get(name);
    if (existing) return this.#existing(existing, request);
    const made = this.#make(name, request);
    this.#making.set(name, made);
    try {
      return await made;
    } finally {
      this.#making.delete(name);
    }
  }

  async #make(name: string, request: VolumeCreateRequest): Promise<Volume> {
    const driver = request.Driver || 'local';
    const record: VolumeRecord = {
      name,
      createdAt: nowText(),
      labels: request.Name ? (request.Labels ?? null) : { [ANONYMOUS_LABEL]: '', ...request.Labels },
      options: Object.keys(request.DriverOpts ?? {}).length > 0 ? (request.DriverOpts ?? null) : null,
      anonymous: !request.Name,
    };
    await during(`create ${name}`, driver === 'local' ? this.#makeLocal(record) : this.#makeByPlugin(record, driver));
    this.#keep(record);
    return this.#describe(record);
  }

  #existing(record: VolumeRecord, { Driver: driver, DriverOpts: asked }: VolumeCreateRequest): Volume {
    if (driver && (record.driver ?? 'local') !== driver)
      throw new EngineError('Conflict', `create ${record.name}: conflict: volume name must be unique`, { layer: 'daemon' });
    const options = Object.entries(asked ?? {});
    const same =
      options.every(([key, value]) => record.options?.[key] === value) && options.length === Object.keys(record.options ?? {}).length;
    if (options.length > 0 && !same) {
      throw new EngineError(
        'Conflict',
        `a volume named "${record.name}" exists with other driver options: remove it first, or choose another name`,
        { layer: 'daemon' },
      );
    }
    return this.#describe(record);
  }

  async #makeLocal(record: VolumeRecord): Promise<void> {
    checkName(record.name);
    checkLocalOptions(record.options ?? {});
    record.limit = this.local.make(record);
  }

  async #makeByPlugin(record: VolumeRecord, name: string): Promise<void> {
    const driver = await this.#plugins.find(name);
    await driver.create(record.name, record.options ?? {});
    record.driver = name;
    record.scope = await driver.scope();
  }

  /** A local volume that no container has gets another name. */
  rename(name: string, to: string): void {
    const record = this.record(name);
    if (record.driver) {
      throw new EngineError('NotImplemented', `the volume ${name} is kept by the plugin ${record.driver}, which cannot rename it`, {
        layer: 'daemon',
      });
    }
    checkName(to);
    if (this.#byName.has(to) || this.#making.has(to))
      throw new EngineError('Conflict', `a volume named "${to}" exists already`, { layer: 'daemon' });
    this.#checkUnused('rename', name);
    const { [ANONYMOUS_LABEL]: _, ...labels } = record.labels ?? {};
    const renamed = { ...record, name: to, formerName: name, anonymous: false, labels: record.labels && labels };
    this.#records.put(to, renamed);
    this.#byName.set(to, renamed);
    this.#finishRename(renamed, name);
    this.#events.emit('volume', 'rename', to, { driver: 'local', oldName: name });
  }

  /** Every step can be done again after a crash. */
  #finishRename(record: VolumeRecord, former: string): void {
    this.local.rename(former, record.name);
    this.#records.delete(former);
    this.#byName.delete(former);
    delete record.formerName;
    this.save(record);
  }

  save(record: VolumeRecord): void {
    this.#records.put(record.name, record);
  }

  get(name: string): Volume {
    return this.#describe(this.record(name));
  }

  /** With what its plugin has to say; also a volume that only a plugin knows. */
  async inspect(name: string): Promise<Volume> {
    const record = this.#byName.get(name);
    if (record && !record.driver) return this.#describe(record);
    if (record?.driver) {
      const volume = await during(`get ${name}`, (await this.#plugins.find(record.driver)).get(name));
      return { ...this.#describe(record), Mountpoint: volume?.Mountpoint ?? '', Status: volume?.Status ?? {} };
    }
    const { answers } = await this.#plugins.askAll(async (driver) => ({ driver: driver.name, volume: await driver.get(name) }));
    const found = answers.find(({ volume }) => volume?.Name === name);
    return found?.volume ? describeForeign(found.driver, found.volume) : this.get(name);
  }

  /** Where its files are, for a container until unmount(): a plugin mounts its own, and so does the local driver with options. */
  async mount(name: string, containerId: string): Promise<string> {
    const record = this.record(name);
    if (!record.driver)
      return await during(`error while mounting volume '${this.local.data(name)}'`, this.local.mount(record, containerId));
    const driver = await this.#plugins.find(record.driver);
    const path = await during(`error while mounting volume '${name}'`, driver.mount(name, containerId));
    this.#events.emit('volume', 'mount', name, { container: containerId, driver: driver.name });
    return path;
  }

  async unmount(name: string, containerId: string): Promise<void> {
    const record = this.record(name);
    if (!record.driver) return await this.local.unmount(record, containerId);
    const driver = await this.#plugins.find(record.driver);
    await driver.unmount(name, containerId);
    this.#events.emit('volume', 'unmount', name, { container: containerId, driver: driver.name });
  }

  /** Whether somebody has to unmount it after use: its plugin, or the local driver. */
  needsMount(name: string): boolean {
    const record = this.#byName.get(name);
    return record !== undefined && (record.driver !== undefined || this.local.needsMount(record));
  }

  /** What unmount() does for a volume that needs none, at once. */
  release(name: string, containerId: string): void {
    if (!this.needsMount(name)) this.local.release(name, containerId);
  }

  /** After a restart: what running containers hold stays as it is, what a crash left is given back. */
  recover(runningUsersOf: VolumeUsers): void {
    this.local.recover([...this.#byName.values()], runningUsersOf);
  }

  /** The daemon's own, and those that plugins know beside them. */
  async list(filters: Filters): Promise<VolumeListResponse> {
    const dangling = filters.boolean('dangling');
    const { answers, silent } = await this.#plugins.askAll(async (driver) =>
      (await driver.list()).filter(({ Name }) => !this.#byName.has(Name)).map((volume) => describeForeign(driver.name, volume)),
    );
    const own = [...this.#byName.values()].map((record) => this.#describe(record));
    const found = [...own, ...answers.flat()].filter(
      (volume) =>
        filters.fuzzy('name', volume.Name) &&
        filters.exact('driver', volume.Driver) &&
        filters.labels('label', volume.Labels) &&
        (dangling === undefined || (this.#usersOf(volume.Name).length === 0) === dangling),
    );
    return { Volumes: found, Warnings: silent.length > 0 ? silent.map((name) => `the volume plugin ${name} does not answer`) : null };
  }

  /** With `force`, a volume that is not there is no error. */
  async remove(name: string, force: boolean): Promise<void> {
    if (force && !this.#byName.has(name)) return;
    const record = this.record(name);
    this.#checkUnused('remove', name);
    // A plugin that is gone for good must not keep its volumes' names for ever.
    if (record.driver) {
      const removed = this.#plugins.find(record.driver).then((driver) => driver.remove(name));
      await during(`remove ${name}`, force ? removed.catch(() => {}) : removed);
    }
    this.#discard(record);
  }

  /** Removes volumes that nobody uses: made-up ones, and with `all=true` (and always for clients before 1.42) named ones too. Gives their names and bytes. */
  prune(filters: Filters, options: { namedToo: boolean }): { deleted: string[]; bytes: number } {
    const all = options.namedToo || filters.boolean('all') === true;
    let bytes = 0;
    const deleted = [...this.#byName.values()].filter(
      (record) =>
        record.driver === undefined &&
        (all || record.anonymous) &&
        this.#usersOf(record.name).length === 0 &&
        filters.labels('label', record.labels) &&
        (!filters.has('label!') || !filters.labels('label!', record.labels)),
    );
    for (const record of deleted) {
      bytes += this.local.size(record);
      this.#discard(record);
    }
    this.#events.emit('volume', 'prune', '', { reclaimed: String(bytes) });
    return { deleted: deleted.map((record) => record.name), bytes };
  }

  /** With the size on disk and the number of users. */
  usage(): Volume[] {
    return [...this.#byName.values()].map((record) => ({
      ...this.#describe(record),
      UsageData: { Size: record.driver ? -1 : this.local.size(record), RefCount: this.#usersOf(record.name).length },
    }));
  }

  #checkUnused(verb: string, name: string): void {
    const users = this.#usersOf(name);
    if (users.length === 0 && !this.local.isHeld(name)) return;
    const who = users.length > 0 ? users.join(', ') : 'a copy that is under way';
    throw new EngineError('Conflict', `${verb} ${name}: volume is in use - [${who}]`, { layer: 'daemon' });
  }

  #keep(record: VolumeRecord): void {
    this.#records.put(record.name, record);
    this.#byName.set(record.name, record);
    this.#events.emit('volume', 'create', record.name, { driver: record.driver ?? 'local' });
  }

  #discard(record: VolumeRecord): void {
    // First forgotten, then deleted: a deletion that was cut short leaves a directory that the next volume of the name replaces.
    this.#records.delete(record.name);
    this.#byName.delete(record.name);
    if (!record.driver) this.local.delete(record);
    this.#events.emit('volume', 'destroy', record.name, { driver: record.driver ?? 'local' });
  }

  /** Throws NotFound. */
  record(name: string): VolumeRecord {
    const record = this.#byName.get(name);
    if (!record) throw new EngineError('NotFound', `get ${name}: no such volume`, { layer: 'daemon' });
    return record;
  }

  #describe(record: VolumeRecord): Volume {
    return {
      CreatedAt: record.createdAt.replace(/\.\d+Z$/, 'Z'),
      Driver: record.driver ?? 'local',
      Labels: record.labels,
      Mountpoint: record.driver ? '' : this.local.data(record.name),
      Name: record.name,
      Options: record.options,
      Scope: record.scope ?? 'local',
    };
  }
}

function describeForeign(driver: string, volume: PluginVolume): Volume {
  return {
    CreatedAt: volume.CreatedAt ?? '',
    Driver: driver,
    Labels: null,
    Mountpoint: volume.Mountpoint ?? '',
    Name: volume.Name,
    Options: null,
    Scope: 'local',
    ...(volume.Status ? { Status: volume.Status } : {}),
  };
}

/** What a plugin says went wrong, with what was being done. */
async function during<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const error = toEngineError(cause);
    throw new EngineError(error.kind, `${what}: ${error.message}`, { layer: 'daemon', cause });
  }
}

function checkName(name: string): void {
  if (name.length < 2) {
    throw new EngineError('InvalidArgument', 'volume name is too short, names should be at least two alphanumeric characters', {
      layer: 'daemon',
    });
  }
  if (!NAME.test(name)) {
    throw new EngineError(
      'InvalidArgument',
      `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      { layer: 'daemon' },
    );
  }
}
