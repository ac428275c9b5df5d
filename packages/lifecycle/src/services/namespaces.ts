// The gRPC face of namespaces, containerd.services.namespaces.v1.Namespaces.
import { EngineError } from '@berth/errdefs/engine-error';
import { NamespaceCreate, NamespaceDelete, NamespaceUpdate } from '@berth/rpc/gen/containerd/events/namespace';
import type { Namespace, Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { EventExchange } from '../events/exchange.ts';
import { Filter, labelAt } from '../metadata/filter.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';

export function namespacesService(store: NamespaceStore, events: EventExchange): Implementation<typeof Namespaces> {
  return {
    // As containerd: one that nobody has made yet has no labels. Clients ask for the default runtime there before they make anything.
    get: ({ name }) => ({ namespace: store.find(name) ?? { name, labels: {} } }),
    list({ filter }) {
      const selected = new Filter(filter === '' ? [] : [filter]);
      return { namespaces: store.list().filter((namespace) => selected.matches(namespace, readNamespace)) };
    },
    create(request) {
      const { name, labels } = required(request.namespace);
      const namespace = store.create(name, labels);
      events.emit(name, '/namespaces/create', NamespaceCreate, namespace);
      return { namespace };
    },
    update(request) {
      const { name, labels } = required(request.namespace);
      const namespace = store.update(name, labels, request.updateMask?.paths ?? []);
      // The labels of the request, so that a listener sees which were taken away: their values are empty.
      events.emit(name, '/namespaces/update', NamespaceUpdate, { name, labels });
      return { namespace };
    },
    delete({ name }) {
      store.delete(name);
      events.emit(name, '/namespaces/delete', NamespaceDelete, { name });
      return {};
    },
  };
}

function required(namespace: Namespace | undefined): Namespace {
  if (!namespace) throw new EngineError('InvalidArgument', 'the request names no namespace: invalid argument', { layer: 'lifecycle' });
  return namespace;
}

function readNamespace(namespace: Namespace, path: readonly string[]): string | undefined {
  if (path[0] === 'name') return namespace.name;
  return path[0] === 'labels' ? labelAt(namespace.labels, path) : undefined;
}
