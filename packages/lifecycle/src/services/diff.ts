// The gRPC face of layers against directories, containerd.services.diff.v1.Diff.
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import type { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { dateOf } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Content } from '../content/content.ts';
import type { Differ } from '../diff/differ.ts';
import type { Scope } from '../metadata/scope.ts';
import { scopeOf } from './call-scope.ts';
import { descriptorMessage, descriptorOf, mountOf } from './descriptor.ts';

export interface DiffServiceOptions {
  contentIn(scope: Scope): Content;
  differ: Differ;
}

export function diffService({ contentIn, differ }: DiffServiceOptions): Implementation<typeof Diff> {
  return {
    async apply({ diff, mounts, syncFs }, call) {
      const content = contentIn(scopeOf(call));
      const applied = await differ.apply(content, descriptorOf(diff, 'diff'), mounts.map(mountOf), { sync: syncFs, signal: call.signal });
      return { applied: { mediaType: MEDIA_TYPE.ociLayer, digest: applied.diffId, size: applied.size, annotations: {} } };
    },
    async diff({ left, right, mediaType, ref, labels, sourceDateEpoch }, call) {
      const content = contentIn(scopeOf(call));
      const options = { mediaType, ref, labels, sourceDateEpoch: dateOf(sourceDateEpoch), signal: call.signal };
      return { diff: descriptorMessage(await differ.compare(content, left.map(mountOf), right.map(mountOf), options)) };
    },
  };
}
