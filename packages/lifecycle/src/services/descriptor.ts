// Descriptors and mounts between containerd's messages and the engine's types.
import { EngineError } from '@berth/errdefs/engine-error';
import { parseDigest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import type { Descriptor as DescriptorMessage } from '@berth/rpc/gen/containerd/types/descriptor';
import type { Mount as MountMessage } from '@berth/rpc/gen/containerd/types/mount';
import type { Mount } from '../snapshots/snapshotter.ts';

/** InvalidArgument when the message is missing or its digest malformed. */
export function descriptorOf(message: DescriptorMessage | undefined, what: string): Descriptor {
  if (!message) throw new EngineError('InvalidArgument', `${what} is required: invalid argument`, { layer: 'lifecycle' });
  const descriptor: Descriptor = { mediaType: message.mediaType, digest: parseDigest(message.digest), size: message.size };
  return Object.keys(message.annotations).length > 0 ? { ...descriptor, annotations: message.annotations } : descriptor;
}

export function descriptorMessage(descriptor: Descriptor): DescriptorMessage {
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size, annotations: descriptor.annotations ?? {} };
}

export function mountOf(message: MountMessage): Mount {
  const mount: Mount = { type: message.type, source: message.source, options: message.options };
  return message.target ? { ...mount, target: message.target } : mount;
}

export function mountMessage(mount: Mount): MountMessage {
  return { type: mount.type, source: mount.source, target: mount.target ?? '', options: mount.options };
}
