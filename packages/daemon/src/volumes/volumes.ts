// Volumes of the `local` driver: a directory below <data-root>/volumes/NAME/_data that outlives containers. With driver options
// (type, o, device) a volume is a mount instead, made where the container's other mounts are made. Who uses a volume is asked of
// the containers, never counted here.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Filters } from '@berth/api/filters';
import type { Volume, VolumeCreateRequest } from '@berth/api/volume';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Events } from '../events/events.ts';
import { nowText } from '../state/clock.ts';
import type { RecordStore } from '../state/database.ts';
import { directorySize } from '../state/disk.ts';

export interface VolumeRecord {
  name: string;
  createdAt: string;
  labels: Record<string, string> | null;
  options: Record<string, string> | null;
  /** Made up for one container. */
  anonymous: boolean;
}

export const VOLUME_FILTERS = ['dangling', 'driver', 'label', 'name'] as const;
export const VOLUME_PRUNE_FILTERS = ['label', 'label!', 'all'] as const;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Ids of the containers that mount a volume. */
export type VolumeUsers = (name: string) => readonly string[];

export class Volumes {
  readonly #root: string;
  readonly #records: RecordStore<VolumeRecord>;
  readonly #byName = new Map<string, VolumeRecord>();
  readonly #events: Events;
  readonly #usersOf: VolumeUsers;

  constructor(root: string, records: RecordStore<VolumeRecord>, events: Events, usersOf: VolumeUsers) {
    this.#root = root;
    this.#records = records;
    this.#events = events;
    this.#usersOf = usersOf;
    mkdirSync(root, { recursive: true, mode: 0o701 });
    for (const record of records.all()) this.#byName.set(record.name, record);
  }

  /** Makes a volume, or returns the one of that name. */
  create(request: VolumeCreateRequest, anonymous = request.Name === undefined || request.Name === ''): Volume {
    const driver = request.Driver || 'local';
    if (driver !== 'local')
      throw new EngineError('NotFound', `error looking up volume plugin ${driver}: plugin "${driver}" not found`, { layer: 'daemon' });
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
    this.#records.put(name, record);
    this.#byName.set(name, record);
    this.#events.emit('volume', 'create', name, { driver: 'local' });
    return this.#describe(record);
  }

  get(name: string): Volume {
    return this.#describe(this.#record(name));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** How a volume is mounted: a bind of its directory, or the mount that its options describe. */
  source(name: string): { type: 'bind'; path: string } | { type: string; device: string; options: string[] } {
    const { options } = this.#record(name);
    if (!options?.type && !options?.device) return { type: 'bind', path: this.#dataPath(name) };
    const flags = (options.o ?? '').split(',').filter(Boolean);
    if (flags.includes('bind') || options.type === 'none') return { type: 'bind', path: options.device ?? '' };
    return { type: options.type ?? '', device: options.device ?? options.type ?? '', options: flags };
  }

  list(filters: Filters): Volume[] {
    const dangling = filters.boolean('dangling');
    return [...this.#byName.values()]
      .filter(
        (record) =>
          filters.fuzzy('name', record.name) &&
          filters.exact('driver', 'local') &&
          filters.labels('label', record.labels) &&
          (dangling === undefined || (this.#usersOf(record.name).length === 0) === dangling),
      )
      .map((record) => this.#describe(record));
  }

  /** With `force`, a volume that is not there is no error. */
  remove(name: string, force: boolean): void {
    if (force && !this.#byName.has(name)) return;
    const record = this.#record(name);
    const users = this.#usersOf(name);
    if (users.length > 0) {
      throw new EngineError('Conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`, { layer: 'daemon' });
    }
    this.#discard(record);
  }

  /** Removes volumes that nobody uses: made-up ones, and with `all=true` (and always for clients before 1.42) named ones too. Gives their names and bytes. */
  prune(filters: Filters, options: { namedToo: boolean }): { deleted: string[]; bytes: number } {
    const all = options.namedToo || filters.boolean('all') === true;
    let bytes = 0;
    const deleted = [...this.#byName.values()].filter(
      (record) =>
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
      UsageData: { Size: directorySize(this.#dataPath(record.name)), RefCount: this.#usersOf(record.name).length },
    }));
  }

  /** Whether nothing has been put into the volume yet. */
  isEmpty(name: string): boolean {
    return readdirSync(this.#dataPath(name)).length === 0;
  }

  #discard(record: VolumeRecord): void {
    // First forgotten, then deleted: a deletion that was cut short leaves a directory that the next volume of the name replaces.
    this.#records.delete(record.name);
    this.#byName.delete(record.name);
    rmSync(join(this.#root, record.name), { recursive: true, force: true });
    this.#events.emit('volume', 'destroy', record.name, { driver: 'local' });
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
      Driver: 'local',
      Labels: record.labels,
      Mountpoint: this.#dataPath(record.name),
      Name: record.name,
      Options: record.options,
      Scope: 'local',
    };
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
