// What the service is made of, in containerd's terms: clients look for a snapshotter, a differ, a runtime before they use one.
import { hostPlatform, type Platform } from '@berth/oci/platform';
import { canRemap } from '../snapshots/id-mapping.ts';

export interface Plugin {
  /** containerd's type URI, e.g. io.containerd.snapshotter.v1. */
  type: string;
  id: string;
  platforms: Platform[];
  exports: Record<string, string>;
  capabilities: string[];
  /** Why it does not work; absent when it does. */
  error?: string;
}

export const SNAPSHOTTER = 'io.containerd.snapshotter.v1';
export const INTERNAL = 'io.containerd.internal.v1';
export const GRPC = 'io.containerd.grpc.v1';

/** `containerd.services.leases.v1.Leases` is the plugin `leases`. */
export function grpcId(service: string): string {
  const [, , noun = service, , name] = service.split('.');
  // The two faces of sandboxes are two plugins, as in containerd.
  return noun === 'sandbox' ? `sandbox-${name?.toLowerCase() === 'store' ? 'store' : 'controllers'}` : noun;
}

export interface Parts {
  /** Of the whole service. */
  root: string;
  snapshotters: ReadonlyMap<string, { root: string }>;
  /** Full names of what is served. */
  services: readonly string[];
  /** Whether the restart monitor runs. */
  restarts: boolean;
}

export function plugins({ root, snapshotters, services, restarts }: Parts): Plugin[] {
  const platforms = [hostPlatform()];
  const capabilities = canRemap() ? ['remap-ids'] : [];
  const plugin = (type: string, id: string, more: Partial<Plugin> = {}): Plugin => ({
    type,
    id,
    platforms: [],
    exports: {},
    capabilities: [],
    ...more,
  });
  return [
    plugin('io.containerd.content.v1', 'content', { exports: { root: `${root}/io.containerd.content.v1.content` } }),
    ...[...snapshotters].map(([id, snapshotter]) =>
      plugin(SNAPSHOTTER, id, { platforms, exports: { root: snapshotter.root }, capabilities }),
    ),
    plugin('io.containerd.metadata.v1', 'bolt', { capabilities: [] }),
    plugin('io.containerd.differ.v1', 'walking', { platforms }),
    plugin('io.containerd.event.v1', 'exchange'),
    plugin('io.containerd.gc.v1', 'scheduler'),
    plugin('io.containerd.lease.v1', 'manager'),
    plugin('io.containerd.runtime.v2', 'task', { platforms }),
    plugin('io.containerd.transfer.v1', 'local'),
    plugin('io.containerd.streaming.v1', 'manager'),
    ...(restarts ? [plugin(INTERNAL, 'restart', { capabilities: ['no', 'always', 'on-failure', 'unless-stopped'] })] : []),
    ...services.filter((name) => name.startsWith('containerd.services.')).map((name) => plugin(GRPC, grpcId(name))),
  ];
}
