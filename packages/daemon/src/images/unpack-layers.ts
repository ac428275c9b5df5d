// Unpacks the layers of an image that are in the content store, those that are not unpacked yet. Berth's lifecycle service takes them
// all at once and works on them side by side; any other gets them one above the other, by Snapshots and Diff.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { chainIds, type Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { pack } from '@berth/rpc/any';
import { StoredLayers } from '@berth/rpc/gen/berth/types/transfer/layers';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import type { ImageServices } from './image-services.ts';
import { keepSnapshot, unpackLayer } from './image-writer.ts';

/** Layers lowest first, and what each must unpack to; how many of them, from below, were unpacked before. */
export async function unpackLayers(
  services: ImageServices,
  lease: string,
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
  signal?: AbortSignal,
): Promise<number> {
  const there = await unpackedOf(services, lease, chainIds(diffIds));
  if (there === layers.length) return there;
  try {
    const source = pack(StoredLayers, { layers: layers.map(messageOf), diffIds: [...diffIds] });
    const destination = pack(ImageStore, { unpacks: [{ snapshotter: services.snapshotter }] });
    await services.transfer.transfer({ source, destination }, { lease, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (!isKind(error, 'NotImplemented')) throw error;
    await unpackOneByOne(services, lease, layers, diffIds, there);
  }
  return there;
}

/** A snapshot that is there has all below it; from now on the lease keeps them. */
async function unpackedOf(services: ImageServices, lease: string, chain: readonly Digest[]): Promise<number> {
  for (let count = chain.length; count > 0; count--) {
    if (await keepSnapshot(services, lease, chain[count - 1] as Digest)) return count;
  }
  return 0;
}

async function unpackOneByOne(
  services: ImageServices,
  lease: string,
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
  from: number,
): Promise<void> {
  const chain = chainIds(diffIds);
  for (let position = from; position < layers.length; position++) {
    const expected = diffIds[position] as Digest;
    const { diffId } = await unpackLayer(services, lease, chain[position - 1] ?? '', layers[position] as Descriptor, expected);
    if (diffId !== expected) throw wrongDiffId(position, expected, diffId);
  }
}

/** In docker's words. */
export function wrongDiffId(position: number, expected: Digest, found: Digest): EngineError {
  return new EngineError('InvalidArgument', `invalid diffID for layer ${position}: expected "${expected}", got "${found}"`, {
    layer: 'daemon',
  });
}

function messageOf({ mediaType, digest, size }: Descriptor) {
  return { mediaType, digest, size, annotations: {} };
}
