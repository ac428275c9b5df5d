// All containers of the daemon, found by id, by a unique prefix of one, or by name. Names are reserved before a container exists,
// so that two requests cannot take the same one.
import { EngineError } from '@berth/errdefs/engine-error';
import type { ImageUse, ImageUsers } from '../images/image.ts';
import type { RecordStore } from '../state/database.ts';
import { Container, type ContainerRecord } from './container.ts';
import { generateName } from './names.ts';

export class ContainerStore implements ImageUsers {
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, string>();
  readonly #records: RecordStore<ContainerRecord>;

  constructor(records: RecordStore<ContainerRecord>) {
    this.#records = records;
    for (const record of records.all()) {
      this.#byId.set(record.id, this.#open(record));
      this.#idByName.set(record.name, record.id);
    }
  }

  #open(record: ContainerRecord): Container {
    return new Container(record, (changed) => {
      // A container that was removed meanwhile must not come back with a late change.
      if (this.#byId.has(changed.id)) this.#records.put(changed.id, changed);
    });
  }

  /** Newest first. */
  all(): Container[] {
    return [...this.#byId.values()].sort((a, b) => (a.record.created < b.record.created ? 1 : -1));
  }

  get size(): number {
    return this.#byId.size;
  }

  /** By full id, name, or unique id prefix, in this order. Throws NotFound. */
  get(reference: string): Container {
    if (reference === '') throw new EngineError('InvalidArgument', 'invalid name or ID supplied: ""', { layer: 'daemon' });
    const name = reference.replace(/^\//, '');
    const exact = this.#byId.get(reference) ?? this.#byId.get(this.#idByName.get(name) ?? '');
    if (exact) return exact;
    const matches = [...this.#byId.values()].filter((container) => container.id.startsWith(reference));
    if (matches.length === 1 && matches[0]) return matches[0];
    if (matches.length > 1) {
      throw new EngineError('InvalidArgument', `multiple IDs found with provided prefix: ${reference}`, { layer: 'daemon' });
    }
    throw new EngineError('NotFound', `No such container: ${reference}`, { layer: 'daemon' });
  }

  find(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** Takes `name` for `id`, or makes one up when it is ''. Throws Conflict. */
  reserveName(name: string, id: string): string {
    if (name === '') name = generateName((one) => this.#idByName.has(one));
    const owner = this.#idByName.get(name);
    if (owner !== undefined && owner !== id) {
      throw new EngineError(
        'Conflict',
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
        { layer: 'daemon' },
      );
    }
    this.#idByName.set(name, id);
    return name;
  }

  releaseName(name: string, id: string): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  add(record: ContainerRecord): Container {
    const container = this.#open(record);
    this.#records.put(record.id, record);
    this.#byId.set(record.id, container);
    return container;
  }

  remove(container: Container): void {
    this.#records.delete(container.id);
    this.#byId.delete(container.id);
    this.releaseName(container.name, container.id);
  }

  usesOf(imageId: string): ImageUse[] {
    return [...this.#byId.values()]
      .filter(({ record }) => record.imageId === imageId || record.mounts.some(({ Type, Name }) => Type === 'image' && Name === imageId))
      .map((container) => ({ containerId: container.id, running: container.running || container.restarting }));
  }
}
