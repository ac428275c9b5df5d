// Files of an image that is only stored: a load unpacks one platform of an index, others are unpacked when something is to run of them.
import { isKind } from '@berth/errdefs/engine-error';
import { chainIds, type Digest } from '@berth/oci/digest';
import type { Image } from './image.ts';
import type { ImageServices } from './image-services.ts';
import { configLabels, unpackLayer } from './image-writer.ts';

export async function unpackImage(services: ImageServices, image: Image): Promise<void> {
  if (image.chainId === '' || (await isUnpacked(services, image.chainId))) return;
  const diffIds = image.config.rootfs.diff_ids;
  const chain = chainIds(diffIds);
  await services.withLease(async (lease) => {
    for (const [position, layer] of image.layers.entries()) {
      await unpackLayer(services, lease, chain[position - 1] ?? '', layer, diffIds[position] as Digest);
    }
    const labels = configLabels(services, image.config);
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
