// What the service is made of, in containerd's terms: clients look for a snapshotter, a differ, a runtime before they use one.
import { hostPlatform, type Platform } from '@berth/oci/platform';
import { canRemap } from '../snapshots/id-mapping.ts';

export interface Plugin {
  /** containerd's type URI, e.g. io.containerd.snapshotter.v1. */
  type: string;
  id: string;
  /** Types of what it is built on. */
  requires: string[];
  platforms: Platform[];
  exports: Record<string, string>;
  capabilities: string[];
  /** Why it does not work; absent when it does. */
  error?: string;
}

export const SNAPSHOTTER = 'io.containerd.snapshotter.v1';
export const INTERNAL = 'io.containerd.internal.v1';
export const GRPC = 'io.containerd.grpc.v1';
export const RUNTIME = 'io.containerd.runtime.v2';

const CONTENT = 'io.containerd.content.v1';
const DIFFER = 'io.containerd.differ.v1';
const EVENT = 'io.containerd.event.v1';
const LEASE = 'io.containerd.lease.v1';
const METADATA = 'io.containerd.metadata.v1';
const STREAMING = 'io.containerd.streaming.v1';
const TRANSFER = 'io.containerd.transfer.v1';

const RESTART_POLICIES = ['no', 'always', 'on-failure', 'unless-stopped'];

/** What each gRPC service is the face of. */
const BEHIND: Readonly<Record<string, string[]>> = {
  containers: [METADATA],
  content: [METADATA],
  diff: [DIFFER],
  events: [EVENT],
  images: [METADATA],
  leases: [LEASE],
  namespaces: [METADATA],
  'sandbox-controllers': [METADATA, RUNTIME],
  sandboxes: [METADATA],
  snapshots: [METADATA],
  streaming: [STREAMING],
  tasks: [METADATA, RUNTIME],
  transfer: [TRANSFER],
};

/** `containerd.services.leases.v1.Leases` is the plugin `leases`. */
export function grpcId(service: string): string {
  const [, , noun = service, , name] = service.split('.');
  // The two faces of sandboxes are two plugins, called as in containerd.
  if (noun === 'sandbox') return name === 'Store' ? 'sandboxes' : 'sandbox-controllers';
  return service === 'grpc.health.v1.Health' ? 'healthcheck' : noun;
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
    requires: [],
    platforms: [],
    exports: {},
    capabilities: [],
    ...more,
  });
  return [
    plugin(CONTENT, 'content', { exports: { root: `${root}/io.containerd.content.v1.content` } }),
    ...[...snapshotters].map(([id, snapshotter]) =>
      plugin(SNAPSHOTTER, id, { platforms, exports: { root: snapshotter.root }, capabilities }),
    ),
    plugin(METADATA, 'bolt', { requires: [CONTENT, EVENT, SNAPSHOTTER] }),
    plugin(DIFFER, 'walking', { requires: [METADATA], platforms }),
    plugin(EVENT, 'exchange'),
    plugin('io.containerd.gc.v1', 'scheduler', { requires: [METADATA] }),
    plugin(LEASE, 'manager', { requires: [METADATA] }),
    plugin(RUNTIME, 'task', { requires: [EVENT, METADATA], platforms }),
    plugin(TRANSFER, 'local', { requires: [DIFFER, LEASE, METADATA, STREAMING] }),
    plugin(STREAMING, 'manager'),
    ...(restarts ? [plugin(INTERNAL, 'restart', { requires: [EVENT, METADATA, RUNTIME], capabilities: RESTART_POLICIES })] : []),
    ...services.map(grpcId).map((id) => plugin(GRPC, id, { requires: BEHIND[id] ?? [] })),
  ];
}
