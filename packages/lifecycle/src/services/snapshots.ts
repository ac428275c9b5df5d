// The gRPC face of the snapshotters, containerd.services.snapshots.v1.Snapshots: each request names the snapshotter that it is for.
import { EngineError } from '@berth/errdefs/engine-error';
import { type Info, Kind, type Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { timestampOf } from '@berth/rpc/timestamp';
import type { Call, Implementation } from '@berth/rpc/ttrpc/server';
import type { Tracer } from '@berth/trace/tracer';
import type { Scope } from '../metadata/scope.ts';
import type { SnapshotInfo, SnapshotKind, Snapshotter } from '../snapshots/snapshotter.ts';
import { scopeOf } from './call-scope.ts';
import { mountMessage } from './descriptor.ts';
import { traced } from './traced.ts';

/** Snapshots in one message of List. */
const LIST_CHUNK = 100;
const KINDS: Record<SnapshotKind, Kind> = { view: Kind.VIEW, active: Kind.ACTIVE, committed: Kind.COMMITTED };

export interface SnapshotsServiceOptions {
  /** Throws InvalidArgument for a snapshotter that there is not. */
  find(scope: Scope, name: string): Snapshotter;
  tracer: Tracer;
}

export function snapshotsService({ find, tracer }: SnapshotsServiceOptions): Implementation<typeof Snapshots> {
  const of = ({ snapshotter }: { snapshotter: string }, call: Call) => {
    if (snapshotter !== '') return find(scopeOf(call), snapshotter);
    throw new EngineError('InvalidArgument', 'snapshotter argument missing: invalid argument', { layer: 'lifecycle' });
  };
  return {
    prepare: (request, call) =>
      traced(tracer, 'lifecycle.snapshot.prepare', call, async () => {
        const mounts = await of(request, call).prepare(request.key, request.parent || undefined, request.labels);
        return { mounts: mounts.map(mountMessage) };
      }),
    async view(request, call) {
      return { mounts: (await of(request, call).view(request.key, request.parent || undefined, request.labels)).map(mountMessage) };
    },
    async mounts(request, call) {
      return { mounts: (await of(request, call).mounts(request.key)).map(mountMessage) };
    },
    async commit(request, call) {
      await of(request, call).commit(request.name, request.key, { labels: request.labels, parent: request.parent || undefined });
      return {};
    },
    remove: (request, call) =>
      traced(tracer, 'lifecycle.snapshot.remove', call, async () => {
        await of(request, call).remove(request.key);
        return {};
      }),
    stat: (request, call) => ({ info: infoMessage(of(request, call).stat(request.key)) }),
    update(request, call) {
      if (!request.info) throw new EngineError('InvalidArgument', 'info is required: invalid argument', { layer: 'lifecycle' });
      return { info: infoMessage(of(request, call).update(request.info.name, request.info.labels, request.updateMask?.paths)) };
    },
    async *list(request, call) {
      const infos = of(request, call).list(request.filters);
      for (let at = 0; at < infos.length; at += LIST_CHUNK) yield { info: infos.slice(at, at + LIST_CHUNK).map(infoMessage) };
    },
    usage: (request, call) => of(request, call).usage(request.key, { signal: call.signal }),
    async cleanup(request, call) {
      await of(request, call).cleanup();
      return {};
    },
  };
}

function infoMessage(info: SnapshotInfo): Info {
  return {
    name: info.name,
    parent: info.parent ?? '',
    kind: KINDS[info.kind],
    createdAt: timestampOf(info.createdAt.getTime()),
    updatedAt: timestampOf(info.updatedAt.getTime()),
    labels: info.labels,
  };
}
