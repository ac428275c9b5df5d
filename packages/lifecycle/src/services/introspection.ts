// The gRPC face of the service's own make-up, containerd.services.introspection.v1.Introspection.
import { statSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { pack, unpack } from '@berth/rpc/any';
import type { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { RuntimeInfo, RuntimeRequest } from '@berth/rpc/gen/containerd/types/introspection';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Init } from '@berth/rpc/wire/message';
import { type Plugin, RUNTIME } from '../introspection/plugin.ts';
import { Filter } from '../metadata/filter.ts';

export interface IntrospectionServiceOptions {
  /** Stays the same for as long as the root directory lives. */
  uuid: string;
  plugins: readonly Plugin[];
  runtimeInfo(request: RuntimeRequest): Promise<Init<RuntimeInfo>>;
}

export function introspectionService({ uuid, plugins, runtimeInfo }: IntrospectionServiceOptions): Implementation<typeof Introspection> {
  return {
    plugins({ filters }) {
      const filter = new Filter(filters);
      return { plugins: plugins.filter((plugin) => filter.matches(plugin, readPlugin)).map(messageOf) };
    },
    server: () => ({ uuid, pid: BigInt(process.pid), pidns: BigInt(statSync('/proc/self/ns/pid').ino) }),
    async pluginInfo({ type, id, options }) {
      const plugin = plugins.find((each) => each.type === type && each.id === id);
      if (!plugin) throw new EngineError('NotFound', `plugin ${type}.${id}: not found`, { layer: 'lifecycle' });
      if (!options) return { plugin: messageOf(plugin) };
      // Only what runs tasks has more to say: of a runtime, by its name.
      if (plugin.type !== RUNTIME)
        throw new EngineError('NotImplemented', `plugin ${type}.${id} takes no options: not implemented`, { layer: 'lifecycle' });
      return { plugin: messageOf(plugin), extra: pack(RuntimeInfo, await runtimeInfo(unpack(RuntimeRequest, options))) };
    },
  };
}

function messageOf({ type, id, requires, platforms, exports, capabilities, error }: Plugin) {
  return { type, id, requires, platforms, exports, capabilities, ...(error === undefined ? {} : { initErr: { code: 2, message: error } }) };
}

function readPlugin(plugin: Plugin, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'type':
      return plugin.type;
    case 'id':
      return plugin.id;
    case 'capabilities':
      return plugin.capabilities.includes(path.slice(1).join('.')) ? 'true' : undefined;
    default:
      return undefined;
  }
}
