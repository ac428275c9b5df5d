// What a start needs and a creation can already do, in the background: the snapshot of the root file system, and the lifecycle
// service's record of the container with its specification. A start repeats only what has changed since.
import { isKind } from '@berth/errdefs/engine-error';
import { SPEC_TYPE } from '@berth/rpc/any';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import { limitRootfs } from '../storage/rootfs-size.ts';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { makeSpec } from './spec/make-spec.ts';
import { runtimeOf } from './task/runtime.ts';

/** Marks what belongs to the daemon, so that leftovers of a crash can be told from other clients' containers. */
export const OWNER_LABEL = 'berth.daemon/container';
/** The lifecycle service's garbage collection keeps a snapshot with this label. */
const ROOT_LABEL = 'containerd.io/gc.root';

/** Runs at creation: failures show at the start. */
export async function prepareContainer(context: ContainerContext, container: Container, span: Span): Promise<void> {
  await prepareRootfs(context, container, span);
  if (container.record.hostConfig.NetworkMode?.startsWith('container:')) return;
  await sendSpec(context, container, span);
}

/** The mounts that make the root file system; the snapshot is made when there is none. */
export async function prepareRootfs(context: ContainerContext, container: Container, span: Span): Promise<readonly Mount[]> {
  if (container.rootfs) return container.rootfs;
  const { snapshots, snapshotter } = context.lifecycle;
  const mounts = await span.during('prepare snapshot', async (child) => {
    try {
      const labels = { [ROOT_LABEL]: container.record.created, [OWNER_LABEL]: container.id };
      const parent = container.record.chainId;
      const { mounts } = await snapshots.prepare({ snapshotter, key: container.id, parent, labels }, traced(child));
      limit(context, container, mounts);
      return mounts;
    } catch (error) {
      if (!isKind(error, 'AlreadyExists')) throw error;
      return (await snapshots.mounts({ snapshotter, key: container.id }, traced(child))).mounts;
    }
  });
  container.rootfs = mounts;
  return mounts;
}

/** Before anything is written to it. */
function limit(context: ContainerContext, container: Container, mounts: readonly Mount[]): void {
  const project = limitRootfs(mounts, container.record.hostConfig.StorageOpt, context.config);
  if (project === undefined) return;
  container.record.project = project;
  // One that was removed meanwhile must not come back.
  if (context.store.find(container.id)) container.save();
}

/** Makes the lifecycle service's record say what the container is now. */
export async function sendSpec(context: ContainerContext, container: Container, span: Span): Promise<void> {
  const spec = span.during('make spec', () => makeSpec(context, container));
  const text = JSON.stringify(spec);
  if (container.sentSpec === text) return;
  const { containers, snapshotter } = context.lifecycle;
  const { name, options } = runtimeOf(context, container);
  const record = {
    id: container.id,
    image: container.record.config.Image ?? '',
    labels: { [OWNER_LABEL]: container.id },
    runtime: { name, ...(options ? { options } : {}) },
    spec: { typeUrl: SPEC_TYPE, value: Buffer.from(text) },
    snapshotter,
    snapshotKey: container.id,
  };
  await span.during('store spec', async (child) => {
    if (container.sentSpec === undefined) {
      try {
        await containers.create({ container: record }, traced(child));
        return;
      } catch (error) {
        if (!isKind(error, 'AlreadyExists')) throw error;
      }
    }
    await containers.update({ container: record, updateMask: { paths: ['spec'] } }, traced(child));
  });
  container.sentSpec = text;
}
