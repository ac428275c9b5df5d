// The gRPC face of leases, containerd.services.leases.v1.Leases.
import { EngineError } from '@berth/errdefs/engine-error';
import { isDigest } from '@berth/oci/digest';
import type { Leases, Resource } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { timestampOf } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Lease, LeaseStore } from '../leases/lease-store.ts';
import type { ResourceType } from '../metadata/scope.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { namespaceOf } from './call-scope.ts';

export interface LeasesServiceOptions {
  store: LeaseStore;
  namespaces: NamespaceStore;
  /** Collects garbage; resolves when it is gone. */
  collect(): Promise<unknown>;
  /** A lease is gone: garbage may be left. */
  deleted(): void;
}

export function leasesService({ store, namespaces, collect, deleted }: LeasesServiceOptions): Implementation<typeof Leases> {
  return {
    create({ id, labels }, call) {
      const namespace = namespaceOf(call);
      namespaces.ensure(namespace);
      return { lease: messageOf(store.create(namespace, id, labels)) };
    },
    async delete({ id, sync }, call) {
      store.delete(namespaceOf(call), id);
      if (sync) await collect();
      else deleted();
      return {};
    },
    list: ({ filters }, call) => ({ leases: store.list(namespaceOf(call), filters).map(messageOf) }),
    addResource({ id, resource }, call) {
      const added = required(resource);
      store.addResource(namespaceOf(call), id, added.type as ResourceType, added.id);
      return {};
    },
    deleteResource({ id, resource }, call) {
      const removed = required(resource);
      store.deleteResource(namespaceOf(call), id, removed.type as ResourceType, removed.id);
      return {};
    },
    listResources: ({ id }, call) => ({ resources: store.resources(namespaceOf(call), id) }),
  };
}

function messageOf({ id, created, labels }: Lease) {
  return { id, labels, createdAt: timestampOf(created) };
}

function required(resource: Resource | undefined): Resource {
  const { type, id } = resource ?? { type: '', id: '' };
  const [noun, ...snapshotter] = type.split('/');
  if (noun === 'snapshots' && (snapshotter.length !== 1 || snapshotter[0] === ''))
    throw new EngineError('InvalidArgument', `invalid snapshot resource type ${type}: invalid argument`, { layer: 'lifecycle' });
  if (noun !== 'snapshots' && !/^(content|ingests|images)$/.test(type))
    throw new EngineError('NotImplemented', `resource type ${type} not supported yet: not implemented`, { layer: 'lifecycle' });
  if (type === 'content' && !isDigest(id)) {
    throw new EngineError('InvalidArgument', `invalid content resource id ${id}: invalid checksum digest format: invalid argument`, {
      layer: 'lifecycle',
    });
  }
  return { type, id };
}
