// Checkpoints of tasks as content, the way containerd makes and takes them: an archive of criu's images, and the container's
// specification. What else belongs to a container (its image, its writable layer) the client puts beside them into an index.
//
// The files live on the disk of the root directory, not in the state directory, which is memory: while a checkpoint is packed, and from
// the creation of a restored task to its start.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Descriptor, MEDIA_TYPE } from '@berth/oci/image-spec';
import { holds, unpack } from '@berth/rpc/any';
import type { Container } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { CheckpointOptions, Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Content } from '../content/content.ts';
import type { Differ } from '../diff/differ.ts';
import type { Task } from './task.ts';

const IMAGES_TYPE = 'application/vnd.containerd.container.criu.checkpoint.criu.tar';
const SPEC_TYPE = 'application/vnd.containerd.container.checkpoint.config.v1+proto';
/** No namespace begins like this. */
const SAVING = '.saving-';

export interface CheckpointsOptions {
  /** The service's root directory. */
  root: string;
  differ: Differ;
}

export class Checkpoints {
  readonly #root: string;
  readonly #differ: Differ;
  /** `<namespace>/<id>` of the tasks that have a directory here. */
  readonly #placed = new Set<string>();

  constructor({ root, differ }: CheckpointsOptions) {
    this.#root = join(root, 'checkpoints');
    this.#differ = differ;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#root)) {
      const path = join(this.#root, name);
      if (name.startsWith(SAVING)) rmSync(path, { recursive: true });
      else for (const id of readdirSync(path)) this.#placed.add(`${name}/${id}`);
    }
  }

  /** Saves the task; the descriptors of what was made of it, none when the options name a directory of the client's for it. */
  async save(task: Task, container: Container, content: Content, options: Any | undefined): Promise<Descriptor[]> {
    const { imagePath } = holds(options, CheckpointOptions) ? unpack(CheckpointOptions, options) : { imagePath: '' };
    if (imagePath !== '') {
      await task.api.checkpoint({ id: task.id, path: imagePath, options }, task.options());
      return [];
    }
    const directory = mkdtempSync(join(this.#root, SAVING));
    try {
      await task.api.checkpoint({ id: task.id, path: directory, options }, task.options());
      const images = await this.#differ.compare(content, [], [bound(directory, 'ro')], { mediaType: MEDIA_TYPE.ociLayer });
      const spec = Any.encode(container.spec ?? {});
      const digest = await content.put(spec);
      return [
        { ...images, mediaType: IMAGES_TYPE },
        { mediaType: SPEC_TYPE, digest, size: spec.length },
      ];
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** The directory that a new task is to be restored from; empty when it is to begin anew. */
  async place(
    namespace: string,
    id: string,
    checkpoint: Descriptor | undefined,
    content: Content,
    options: Any | undefined,
  ): Promise<string> {
    if (!checkpoint) return holds(options, Options) ? unpack(Options, options).criuImagePath : '';
    if (checkpoint.mediaType !== IMAGES_TYPE)
      throw new EngineError('InvalidArgument', `unsupported checkpoint type ${JSON.stringify(checkpoint.mediaType)}`, {
        layer: 'lifecycle',
      });
    const directory = join(this.#root, namespace, id);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#placed.add(`${namespace}/${id}`);
    try {
      await this.#differ.apply(content, { ...checkpoint, mediaType: MEDIA_TYPE.ociLayer }, [bound(directory, 'rw')]);
    } catch (error) {
      this.discard(namespace, id);
      throw error;
    }
    return directory;
  }

  /** The task has started, or is not to be any more. */
  discard(namespace: string, id: string): void {
    if (this.#placed.delete(`${namespace}/${id}`)) rmSync(join(this.#root, namespace, id), { recursive: true, force: true });
  }

  /** After a restart of the service: of tasks that are gone nothing is needed. */
  clean(exists: (namespace: string, id: string) => boolean): void {
    for (const key of this.#placed) {
      const [namespace = '', id = ''] = key.split('/');
      if (!exists(namespace, id)) this.discard(namespace, id);
    }
  }
}

function bound(source: string, access: 'ro' | 'rw') {
  return { type: 'bind', source, options: ['rbind', access] };
}
