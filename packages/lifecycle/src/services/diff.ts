// The gRPC face of layers against directories, containerd.services.diff.v1.Diff.
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { mountPointsOf } from '@berth/rpc/diff-terms';
import type { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { dateOf } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Tracer } from '@berth/trace/tracer';
import type { Content } from '../content/content.ts';
import type { Differ } from '../diff/differ.ts';
import type { Scope } from '../metadata/scope.ts';
import { scopeOf } from './call-scope.ts';
import { descriptorMessage, descriptorOf, mountOf } from './descriptor.ts';
import { traced } from './traced.ts';

export interface DiffServiceOptions {
  contentIn(scope: Scope): Content;
  differ: Differ;
  tracer: Tracer;
}

export function diffService({ contentIn, differ, tracer }: DiffServiceOptions): Implementation<typeof Diff> {
  return {
    apply: ({ diff, mounts, syncFs }, call) =>
      traced(tracer, 'lifecycle.diff.apply', call, async (span) => {
        const layer = descriptorOf(diff, 'diff');
        span?.set('digest', layer.digest).set('bytes', layer.size);
        const content = contentIn(scopeOf(call));
        const { diffId, size } = await differ.apply(content, layer, mounts.map(mountOf), { sync: syncFs, signal: call.signal });
        return { applied: { mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size, annotations: {} } };
      }),

    diff: ({ left, right, mediaType, ref, labels, sourceDateEpoch }, call) =>
      traced(tracer, 'lifecycle.diff.compare', call, async () => {
        const content = contentIn(scopeOf(call));
        const mountPoints = mountPointsOf(call.metadata);
        const options = { mediaType, ref, labels, sourceDateEpoch: dateOf(sourceDateEpoch), mountPoints, signal: call.signal };
        return { diff: descriptorMessage(await differ.compare(content, left.map(mountOf), right.map(mountOf), options)) };
      }),
  };
}
