// Files of an image that is only stored: a load unpacks one platform of an index, others are unpacked when something is to run of them.
import { isKind } from '@berth/errdefs/engine-error';
import { configLabels } from '@berth/lifecycle/transfer/references';
import type { Image } from './image.ts';
import type { ImageServices } from './image-services.ts';
import { unpackLayers } from './unpack-layers.ts';

export async function unpackImage(services: ImageServices, image: Image): Promise<void> {
  if (image.chainId === '' || (await isUnpacked(services, image.chainId))) return;
  await services.withLease(async (lease) => {
    await unpackLayers(services, lease, image.layers, image.config.rootfs.diff_ids);
    const labels = configLabels(image.config, services.snapshotter);
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    await services.content.update({ info: { digest: image.id, labels }, updateMask: { paths } });
  });
}

async function isUnpacked({ snapshots, snapshotter }: ImageServices, key: string): Promise<boolean> {
  try {
    await snapshots.stat({ snapshotter, key });
    return true;
  } catch (error) {
    if (isKind(error, 'NotFound')) return false;
    throw error;
  }
}
