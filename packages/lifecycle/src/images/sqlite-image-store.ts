// The image store in the service's database. Runs in the lifecycle service; every call is one statement or one transaction.
import { EngineError } from '@berth/errdefs/engine-error';
import { type Descriptor, isIndexType } from '@berth/oci/image-spec';
import type { Database } from 'better-sqlite3';
import { Filter, labelAt } from '../metadata/filter.ts';
import { updateLabels, validateLabels } from '../metadata/labels.ts';
import type { Scope } from '../metadata/scope.ts';
import type { ImageRow } from './image-rows.ts';
import type { Image, ImageStore, NewImage } from './image-store.ts';

export type ImageChange = { kind: 'created' | 'updated'; image: Image } | { kind: 'deleted'; name: string };

/** Told after a change is stored. */
export type OnImageChange = (namespace: string, change: ImageChange) => void;

export class SqliteImages {
  readonly #database: Database;
  readonly #onChange: OnImageChange | undefined;

  constructor(options: { database: Database; onChange?: OnImageChange }) {
    this.#database = options.database;
    this.#onChange = options.onChange;
  }

  in(scope: Pick<Scope, 'namespace'>): ImageStore {
    return new SqliteImageStore(this.#database, scope.namespace, this.#onChange);
  }
}

class SqliteImageStore implements ImageStore {
  readonly #database: Database;
  readonly #namespace: string;
  readonly #onChange: OnImageChange | undefined;

  constructor(database: Database, namespace: string, onChange: OnImageChange | undefined) {
    this.#database = database;
    this.#namespace = namespace;
    this.#onChange = onChange;
  }

  #find(name: string): Image | undefined {
    const row = this.#database
      .prepare<[string, string], ImageRow>('SELECT * FROM image WHERE namespace = ? AND name = ?')
      .get(this.#namespace, name);
    return row && imageOf(row);
  }

  get(name: string): Image {
    const image = this.#find(name);
    if (!image) throw new EngineError('NotFound', `image "${name}": not found`, { layer: 'lifecycle', details: { image: name } });
    return image;
  }

  list(filters?: readonly string[]): Image[] {
    const filter = new Filter(filters);
    const rows = this.#database.prepare<[string], ImageRow>('SELECT * FROM image WHERE namespace = ? ORDER BY name').all(this.#namespace);
    return rows.map(imageOf).filter((image) => filter.matches(image, readImage));
  }

  create(image: NewImage): Image {
    validate(image);
    if (this.#find(image.name)) {
      throw new EngineError('AlreadyExists', `image "${image.name}": already exists`, {
        layer: 'lifecycle',
        details: { image: image.name },
      });
    }
    const now = Date.now();
    this.#database
      .prepare('INSERT INTO image (namespace, name, target, labels, created, updated) VALUES (?, ?, ?, ?, ?, ?)')
      .run(
        this.#namespace,
        image.name,
        JSON.stringify(image.target),
        JSON.stringify(image.labels ?? {}),
        image.createdAt?.getTime() ?? now,
        now,
      );
    return this.#changed('created', image.name);
  }

  update(image: NewImage, fieldPaths: readonly string[] = []): Image {
    if (!image.name) throw new EngineError('InvalidArgument', 'Image.Name required');
    const current = this.get(image.name);
    let labels = current.labels;
    let target = current.target;
    if (fieldPaths.length === 0) {
      labels = image.labels ?? {};
      target = image.target;
    }
    for (const path of fieldPaths) {
      if (path === 'labels' || path.startsWith('labels.')) labels = updateLabels(labels, image.labels ?? {}, [path], 'image');
      else if (path === 'target') target = image.target;
      else if (path === 'annotations') target = { ...target, annotations: image.target.annotations };
      else if (path.startsWith('annotations.'))
        target = {
          ...target,
          annotations: updateLabels(target.annotations ?? {}, image.target.annotations ?? {}, [
            `labels.${path.slice('annotations.'.length)}`,
          ]),
        };
      else throw new EngineError('InvalidArgument', `cannot update "${path}" field on image "${image.name}": invalid argument`);
    }
    validate({ name: image.name, target, labels });
    this.#database
      .prepare('UPDATE image SET target = ?, labels = ?, updated = ? WHERE namespace = ? AND name = ?')
      .run(JSON.stringify(target), JSON.stringify(labels), Date.now(), this.#namespace, image.name);
    return this.#changed('updated', image.name);
  }

  put(image: NewImage): Image {
    const current = this.#find(image.name);
    return current ? this.update({ ...image, labels: { ...current.labels, ...image.labels } }) : this.create(image);
  }

  delete(name: string, target?: Descriptor): void {
    const image = this.get(name);
    if (
      target &&
      (target.digest !== image.target.digest || target.mediaType !== image.target.mediaType || target.size !== image.target.size)
    ) {
      throw new EngineError('NotFound', `image "${name}" has target ${image.target.digest}, not ${target.digest}: not found`, {
        layer: 'lifecycle',
      });
    }
    this.#database.prepare('DELETE FROM image WHERE namespace = ? AND name = ?').run(this.#namespace, name);
    this.#onChange?.(this.#namespace, { kind: 'deleted', name });
  }

  #changed(kind: 'created' | 'updated', name: string): Image {
    const image = this.get(name);
    this.#onChange?.(this.#namespace, { kind, image });
    return image;
  }
}

function validate(image: NewImage): void {
  if (!image.name) throw new EngineError('InvalidArgument', 'Image.Name required');
  validateLabels(image.labels ?? {}, 'image');
  const { mediaType, digest, size } = image.target;
  if (!digest) throw new EngineError('InvalidArgument', 'Target.Digest "" invalid: invalid checksum digest format: invalid argument');
  if (!mediaType) throw new EngineError('InvalidArgument', 'Target.MediaType must be set: invalid argument');
  if (size === 0 && !isIndexType(mediaType))
    throw new EngineError('InvalidArgument', 'Target.Size must be greater than zero: invalid argument');
}

function imageOf(row: ImageRow): Image {
  return {
    name: row.name,
    target: JSON.parse(row.target),
    labels: JSON.parse(row.labels),
    createdAt: new Date(row.created),
    updatedAt: new Date(row.updated),
  };
}

function readImage(image: Image, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'name':
      return image.name;
    case 'target':
      if (path[1] === 'digest') return image.target.digest;
      return path[1] === 'mediatype' ? image.target.mediaType : undefined;
    case 'labels':
      return labelAt(image.labels, path);
    case 'annotations':
      return labelAt(image.target.annotations ?? {}, path);
    default:
      return undefined;
  }
}
