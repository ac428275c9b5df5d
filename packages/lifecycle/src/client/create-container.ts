// A container from an image: a snapshot above the image's, and a record of what is to run in it.
import { isKind } from '@berth/errdefs/engine-error';
import { chainIds } from '@berth/oci/digest';
import type { Spec } from '@berth/oci/runtime-spec';
import { packJson, SPEC_TYPE } from '@berth/rpc/any';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { defaultSpec, type SpecOptions } from './default-spec.ts';
import { readImage } from './image-config.ts';
import type { LifecycleClient } from './lifecycle-client.ts';

export interface ContainerOptions extends Partial<Pick<SpecOptions, 'args' | 'env' | 'cwd' | 'user' | 'terminal'>> {
  id: string;
  /** The name of an image that is in the store, unpacked. */
  image: string;
  labels?: Record<string, string>;
  /** Default: Berth's own. */
  runtime?: { name: string; options?: Any };
  snapshotter?: string;
  /** Changes the specification before it is stored. */
  changeSpec?: (spec: Spec) => void;
}

export interface ClientContainer extends AsyncDisposable {
  readonly id: string;
  readonly spec: Spec;
  /** Removes the record and the snapshot; the task must be gone. What is gone already is no error. */
  delete(): Promise<void>;
}

/** AlreadyExists for an id in use; NotFound for an image that is not there, or not unpacked. */
export async function createContainer(client: LifecycleClient, options: ContainerOptions): Promise<ClientContainer> {
  const { id, image, labels = {}, runtime = { name: 'io.containerd.berth.v1' }, snapshotter = 'overlayfs' } = options;
  const { config } = await readImage(client, image);
  const spec = defaultSpec({ ...options, namespace: client.namespace, image: config.config ?? {} });
  options.changeSpec?.(spec);
  const parent = chainIds(config.rootfs.diff_ids).at(-1) ?? '';
  await client.withLease(async (lease) => {
    await client.snapshots.prepare({ snapshotter, key: id, parent }, { lease });
    try {
      const record = { id, image, labels, runtime, snapshotter, snapshotKey: id, spec: packJson(SPEC_TYPE, spec) };
      await client.containers.create({ container: record }, { lease });
    } catch (error) {
      await client.snapshots.remove({ snapshotter, key: id }).catch(() => {});
      throw error;
    }
  });
  const remove = async () => {
    await goneIsFine(client.containers.delete({ id }));
    await goneIsFine(client.snapshots.remove({ snapshotter, key: id }));
  };
  return { id, spec, delete: remove, [Symbol.asyncDispose]: remove };
}

async function goneIsFine(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isKind(error, 'NotFound')) throw error;
  }
}
