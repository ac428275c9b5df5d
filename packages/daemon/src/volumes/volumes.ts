// Volumes. Those of the `local` driver are a directory below <data-root>/volumes/NAME/_data that outlives containers; plugins keep theirs. With driver options
// (type, o, device) a volume is a mount instead, made where the container's other mounts are made. Who uses a volume is asked of
// the containers, never counted here.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Filters } from '@berth/api/filters';
import type { Volume, VolumeCreateRequest } from '@berth/api/volume';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import type { Events } from '../events/events.ts';
import { nowText } from '../state/clock.ts';
import type { RecordStore } from '../state/database.ts';
import { directorySize } from '../state/disk.ts';
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
  readonly #root: string;
  readonly #records: RecordStore<VolumeRecord>;
  readonly #byName = new Map<string, VolumeRecord>();
  readonly #events: Events;
  readonly #usersOf: VolumeUsers;

  readonly #plugins: VolumePlugins;

  constructor({ root, records, plugins, events, usersOf }: VolumesOptions) {
    this.#root = root;
    this.#plugins = plugins;
    this.#records = records;
    this.#events = events;
    this.#usersOf = usersOf;
    mkdirSync(root, { recursive: true, mode: 0o701 });
    for (const record of records.all()) this.#byName.set(record.name, record);
  }

  /** Makes a volume of any driver, or returns the one of that name. */
  async ensure(request: VolumeCreateRequest): Promise<Volume> {
    const driverName = request.Driver || 'local';
    if (driverName === 'local') return this.create(request);
    const name = request.Name || randomBytes(32).toString('hex');
    const existing = this.#byName.get(name);
    if (existing && existing.driver !== driverName) {
      throw new EngineError('Conflict', `create ${name}: conflict: volume name must be unique`, { layer: 'daemon' });
    }
    if (existing) return this.#describe(existing);
    const driver = await this.#plugins.find(driverName);
    const options = request.DriverOpts ?? {};
    await during(`create ${name}`, driver.create(name, options));
    const record: VolumeRecord = {
      name,
      createdAt: nowText(),
      labels: request.Labels ?? null,
      options: Object.keys(options).length > 0 ? options : null,
      anonymous: !request.Name,
      driver: driverName,
      scope: await driver.scope(),
    };
    this.#keep(record);
    return this.#describe(record);
  }

  /** Makes a local volume, or returns the one of that name, whoever's it is. */
  create(request: VolumeCreateRequest, anonymous = request.Name === undefined || request.Name === ''): Volume {
    const name = request.Name || randomBytes(32).toString('hex');
    const existing = this.#byName.get(name);
    if (existing) {
      if (
        Object.keys(request.DriverOpts ?? {}).length > 0 &&
        JSON.stringify(request.DriverOpts) !== JSON.stringify(existing.options ?? {})
      ) {
        throw new EngineError(
          'Conflict',
          `a volume named "${name}" exists with other driver options: remove it first, or choose another name`,
          { layer: 'daemon' },
        );
      }
      return this.#describe(existing);
    }
    if (!NAME.test(name)) {
      throw new EngineError(
        'InvalidArgument',
        `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
        { layer: 'daemon' },
      );
    }
    checkOptions(request.DriverOpts ?? {});
    const labels = anonymous ? { [ANONYMOUS_LABEL]: '', ...request.Labels } : (request.Labels ?? null);
    const options = request.DriverOpts && Object.keys(request.DriverOpts).length > 0 ? request.DriverOpts : null;
    const record: VolumeRecord = { name, createdAt: nowText(), labels, options, anonymous };
    mkdirSync(this.#dataPath(name), { recursive: true, mode: 0o755 });
    this.#keep(record);
    return this.#describe(record);
  }

  get(name: string): Volume {
    return this.#describe(this.#record(name));
  }

  /** With what its plugin has to say; also a volume that only a plugin knows. */
  async inspect(name: string): Promise<Volume> {
    const record = this.#byName.get(name);
    if (record && !record.driver) return this.#describe(record);
    if (record?.driver) {
      const volume = await during(`get ${name}`, (await this.#plugins.find(record.driver)).get(name));
      return { ...this.#describe(record), Mountpoint: volume?.Mountpoint ?? '', Status: volume?.Status ?? {} };
    }
    for (const driver of await this.#plugins.all()) {
      const volume = await driver.get(name).catch(() => undefined);
      if (volume?.Name === name) return describeForeign(driver.name, volume);
    }
    return this.get(name);
  }

  /** Where a plugin has mounted its volume for a container. */
  async mount(name: string, containerId: string): Promise<string> {
    const driver = await this.#plugins.find(this.#record(name).driver ?? '');
    const path = await during(`error while mounting volume '${name}'`, driver.mount(name, containerId));
    this.#events.emit('volume', 'mount', name, { container: containerId, driver: driver.name });
    return path;
  }

  async unmount(name: string, containerId: string): Promise<void> {
    const driver = await this.#plugins.find(this.#record(name).driver ?? '');
    await driver.unmount(name, containerId);
    this.#events.emit('volume', 'unmount', name, { container: containerId, driver: driver.name });
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** How a volume is mounted: a bind of its directory, or the mount that its options describe. */
  source(name: string): { type: 'bind'; path: string } | { type: string; device: string; options: string[] } {
    const { options, driver } = this.#record(name);
    // A plugin says where it is when it mounts it.
    if (driver) return { type: 'bind', path: '' };
    if (!options?.type && !options?.device) return { type: 'bind', path: this.#dataPath(name) };
    const flags = (options.o ?? '').split(',').filter(Boolean);
    if (flags.includes('bind') || options.type === 'none') return { type: 'bind', path: options.device ?? '' };
    return { type: options.type ?? '', device: options.device ?? options.type ?? '', options: flags };
  }

  /** The daemon's own, and those that plugins know beside them. */
  async list(filters: Filters): Promise<Volume[]> {
    const dangling = filters.boolean('dangling');
    const foreign = (await this.#plugins.all()).map(async (driver) => {
      const volumes = await driver.list().catch(() => []);
      return volumes.filter(({ Name }) => !this.#byName.has(Name)).map((volume) => describeForeign(driver.name, volume));
    });
    const own = [...this.#byName.values()].map((record) => this.#describe(record));
    return [...own, ...(await Promise.all(foreign)).flat()].filter(
      (volume) =>
        filters.fuzzy('name', volume.Name) &&
        filters.exact('driver', volume.Driver) &&
        filters.labels('label', volume.Labels) &&
        (dangling === undefined || (this.#usersOf(volume.Name).length === 0) === dangling),
    );
  }

  /** With `force`, a volume that is not there is no error. */
  async remove(name: string, force: boolean): Promise<void> {
    if (force && !this.#byName.has(name)) return;
    const record = this.#record(name);
    const users = this.#usersOf(name);
    if (users.length > 0) {
      throw new EngineError('Conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`, { layer: 'daemon' });
    }
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
      bytes += directorySize(this.#dataPath(record.name));
      this.#discard(record);
    }
    this.#events.emit('volume', 'prune', '', { reclaimed: String(bytes) });
    return { deleted: deleted.map((record) => record.name), bytes };
  }

  /** With the size on disk and the number of users. */
  usage(): Volume[] {
    return [...this.#byName.values()].map((record) => ({
      ...this.#describe(record),
      UsageData: { Size: record.driver ? -1 : directorySize(this.#dataPath(record.name)), RefCount: this.#usersOf(record.name).length },
    }));
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
    if (!record.driver) rmSync(join(this.#root, record.name), { recursive: true, force: true });
    this.#events.emit('volume', 'destroy', record.name, { driver: record.driver ?? 'local' });
  }

  #record(name: string): VolumeRecord {
    const record = this.#byName.get(name);
    if (!record) throw new EngineError('NotFound', `get ${name}: no such volume`, { layer: 'daemon' });
    return record;
  }

  #dataPath(name: string): string {
    return join(this.#root, name, '_data');
  }

  #describe(record: VolumeRecord): Volume {
    return {
      CreatedAt: record.createdAt.replace(/\.\d+Z$/, 'Z'),
      Driver: record.driver ?? 'local',
      Labels: record.labels,
      Mountpoint: record.driver ? '' : this.#dataPath(record.name),
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

function checkOptions(options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!['type', 'o', 'device', 'size'].includes(key)) {
      throw new EngineError('InvalidArgument', `invalid option: "${key}"`, { layer: 'daemon' });
    }
  }
  if (options.o && !options.type && !options.device) {
    throw new EngineError('InvalidArgument', "missing device in volume options: 'o' needs 'type' and 'device'", { layer: 'daemon' });
  }
  if (options.device && options.o?.split(',').includes('bind') && !existsSync(options.device)) {
    throw new EngineError('InvalidArgument', `the device ${options.device} of the volume does not exist`, { layer: 'daemon' });
  }
  const filesystem = options.type;
  if (filesystem && filesystem !== 'none' && !readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(filesystem)) {
    throw new EngineError('InvalidArgument', `this kernel has no file system "${filesystem}" (volume option type)`, { layer: 'daemon' });
  }
}
