// The gRPC face of the image store, containerd.services.images.v1.Images.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Image as ImageMessage, Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { dateOf, timestampOf } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Image, ImageStore, NewImage } from '../images/image-store.ts';
import type { Scope } from '../metadata/scope.ts';
import { scopeOf } from './call-scope.ts';
import { descriptorMessage, descriptorOf } from './descriptor.ts';

export interface ImagesServiceOptions {
  imagesIn(scope: Scope): ImageStore;
  /** Collects garbage; a synchronous delete waits for it. */
  collect(): Promise<unknown>;
}

export function imagesService({ imagesIn, collect }: ImagesServiceOptions): Implementation<typeof Images> {
  return {
    get: ({ name }, call) => ({ image: imageMessage(imagesIn(scopeOf(call)).get(name)) }),
    list: ({ filters }, call) => ({ images: imagesIn(scopeOf(call)).list(filters).map(imageMessage) }),
    create({ image, sourceDateEpoch }, call) {
      const created = { ...newImage(image), createdAt: dateOf(sourceDateEpoch) };
      return { image: imageMessage(imagesIn(scopeOf(call)).create(created)) };
    },
    update({ image, updateMask }, call) {
      return { image: imageMessage(imagesIn(scopeOf(call)).update(newImage(image, updateMask?.paths), updateMask?.paths)) };
    },
    async delete({ name, sync, target }, call) {
      imagesIn(scopeOf(call)).delete(name, target && descriptorOf(target, 'target'));
      if (sync) await collect();
      return {};
    },
  };
}

function newImage(message: ImageMessage | undefined, paths: readonly string[] = []): NewImage {
  if (!message) throw new EngineError('InvalidArgument', 'image is required: invalid argument', { layer: 'lifecycle' });
  // An update of labels alone comes without a target, or, from ctr, with an empty one.
  const labelsOnly = paths.length > 0 && paths.every((path) => path === 'labels' || path.startsWith('labels.'));
  const target = labelsOnly ? NO_TARGET : descriptorOf(message.target, 'image target');
  return { name: message.name, target, labels: message.labels };
}

const NO_TARGET = { mediaType: '', digest: 'sha256:', size: 0 } as const;

function imageMessage(image: Image): ImageMessage {
  return {
    name: image.name,
    labels: image.labels,
    target: descriptorMessage(image.target),
    createdAt: timestampOf(image.createdAt.getTime()),
    updatedAt: timestampOf(image.updatedAt.getTime()),
  };
}
