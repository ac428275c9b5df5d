// The gRPC face of containers, containerd.services.containers.v1.Containers.
import { EngineError } from '@berth/errdefs/engine-error';
import { ContainerCreate, ContainerDelete, ContainerUpdate } from '@berth/rpc/gen/containerd/events/container';
import type { Container, Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { ContainerStore } from '../containers/container-store.ts';
import type { EventExchange } from '../events/exchange.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import type { TaskStore } from '../tasks/task-store.ts';
import { namespaceOf } from './call-scope.ts';

export interface ContainersServiceOptions {
  store: ContainerStore;
  namespaces: NamespaceStore;
  tasks: TaskStore;
  events: EventExchange;
}

export function containersService({ store, namespaces, tasks, events }: ContainersServiceOptions): Implementation<typeof Containers> {
  return {
    get: ({ id }, call) => ({ container: store.get(namespaceOf(call), id) }),
    list: ({ filters }, call) => ({ containers: store.list(namespaceOf(call), filters) }),
    async *listStream({ filters }, call) {
      for (const container of store.list(namespaceOf(call), filters)) yield { container };
    },
    create(request, call) {
      const namespace = namespaceOf(call);
      namespaces.ensure(namespace);
      const container = store.create(namespace, required(request.container));
      const { id, image, runtime } = container;
      events.emit(namespace, '/containers/create', ContainerCreate, { id, image, runtime });
      return { container };
    },
    update(request, call) {
      const namespace = namespaceOf(call);
      const container = store.update(namespace, required(request.container), request.updateMask?.paths ?? []);
      const { id, image, labels, snapshotKey } = container;
      events.emit(namespace, '/containers/update', ContainerUpdate, { id, image, labels, snapshotKey });
      return { container };
    },
    delete({ id }, call) {
      const namespace = namespaceOf(call);
      if (tasks.find(namespace, id)) {
        throw new EngineError(
          'FailedPrecondition',
          `cannot delete container "${id}" that has a task; delete its task first: failed precondition`,
          {
            layer: 'lifecycle',
            details: { namespace, id },
          },
        );
      }
      store.delete(namespace, id);
      events.emit(namespace, '/containers/delete', ContainerDelete, { id });
      return {};
    },
  };
}

function required(container: Container | undefined): Container {
  if (!container) throw new EngineError('InvalidArgument', 'the request names no container: invalid argument', { layer: 'lifecycle' });
  return container;
}
