// The gRPC faces of sandboxes, containerd.services.sandbox.v1: Store for their records, Controller for those that run.
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { SandboxCreate, SandboxExit, SandboxStart } from '@berth/rpc/gen/containerd/events/sandbox';
import type { Controller, Store } from '@berth/rpc/gen/containerd/services/sandbox/v1/sandbox';
import type { Sandbox } from '@berth/rpc/gen/containerd/types/sandbox';
import { timestampNow } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { EventExchange } from '../events/exchange.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import type { NewSandbox, SandboxController } from '../sandboxes/sandbox-controller.ts';
import type { SandboxStore } from '../sandboxes/sandbox-store.ts';
import { namespaceOf } from './call-scope.ts';

export interface SandboxServicesOptions {
  store: SandboxStore;
  controller: SandboxController;
  namespaces: NamespaceStore;
  events: EventExchange;
}

export function sandboxStoreService({ store, namespaces }: SandboxServicesOptions): Implementation<typeof Store> {
  return {
    create({ sandbox }, call) {
      const namespace = namespaceOf(call);
      namespaces.ensure(namespace);
      return { sandbox: store.create(namespace, required(sandbox)) };
    },
    update: ({ sandbox, fields }, call) => ({ sandbox: store.update(namespaceOf(call), required(sandbox), fields) }),
    delete({ sandboxId }, call) {
      store.delete(namespaceOf(call), sandboxId);
      return {};
    },
    list: ({ filters }, call) => ({ list: store.list(namespaceOf(call), filters) }),
    get: ({ sandboxId }, call) => ({ sandbox: store.get(namespaceOf(call), sandboxId) }),
  };
}

export function sandboxControllerService({ store, controller, events }: SandboxServicesOptions): Implementation<typeof Controller> {
  const create = async (namespace: string, sandboxId: string, request: NewSandbox['request']) => {
    const { runtime, spec } = store.get(namespace, sandboxId);
    await controller.create(namespace, sandboxId, {
      runtime: { name: runtime?.name ?? '', options: runtime?.options },
      config: spec?.value ?? new Uint8Array(0),
      request,
    });
    events.emit(namespace, '/sandboxes/create', SandboxCreate, { sandboxId });
  };
  return {
    async create({ sandboxId, rootfs, options, netnsPath }, call) {
      await create(namespaceOf(call), sandboxId, { rootfs, options, netnsPath });
      return { sandboxId };
    },

    async start({ sandboxId }, call) {
      const namespace = namespaceOf(call);
      // containerd's client of 1.7 starts sandboxes that it has only stored.
      if (!controller.has(namespace, sandboxId)) await create(namespace, sandboxId, {});
      const { api, options, shim } = controller.get(namespace, sandboxId);
      const { pid, createdAt } = await api.startSandbox({ sandboxId }, options);
      events.emit(namespace, '/sandboxes/start', SandboxStart, { sandboxId });
      return { sandboxId, pid, createdAt, address: `ttrpc+unix://${shim.address}`, version: shim.version };
    },

    async platform({ sandboxId }, call) {
      const { api, options } = controller.get(namespaceOf(call), sandboxId);
      return api.platform({ sandboxId }, options);
    },

    async stop({ sandboxId, timeoutSecs }, call) {
      const { api, options } = controller.get(namespaceOf(call), sandboxId);
      await api.stopSandbox({ sandboxId, timeoutSecs }, options);
      return {};
    },

    async wait({ sandboxId }, call) {
      const namespace = namespaceOf(call);
      const { api, options } = controller.get(namespace, sandboxId);
      const { exitStatus, exitedAt } = await api.waitSandbox({ sandboxId }, { ...options, signal: call.signal });
      events.emit(namespace, '/sandboxes/exit', SandboxExit, { sandboxId, exitStatus, exitedAt });
      return { exitStatus, exitedAt };
    },

    async status({ sandboxId, verbose }, call) {
      try {
        const { api, options, shim } = controller.get(namespaceOf(call), sandboxId);
        const status = await api.sandboxStatus({ sandboxId, verbose }, options);
        return { ...status, address: `ttrpc+unix://${shim.address}`, version: shim.version };
      } catch (error) {
        // As containerd: one that does not run has ended.
        if (!isKind(error, 'NotFound')) throw error;
        return { sandboxId, exitedAt: timestampNow() };
      }
    },

    async shutdown({ sandboxId }, call) {
      await controller.shutdown(namespaceOf(call), sandboxId);
      return {};
    },
  };
}

function required(sandbox: Sandbox | undefined): Sandbox {
  if (!sandbox) throw new EngineError('InvalidArgument', 'the request names no sandbox: invalid argument', { layer: 'lifecycle' });
  return sandbox;
}
