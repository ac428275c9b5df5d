// What the service is made of, in containerd's terms: clients look for a snapshotter, a differ, a runtime before they use one.
import { hostPlatform, type Platform } from '@berth/oci/platform';

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

/** `grpc` are the full names of the services that are served. */
export function plugins(root: string, snapshotters: readonly string[], grpc: readonly string[]): Plugin[] {
  const platforms = [hostPlatform()];
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
    ...snapshotters.map((id) =>
      plugin('io.containerd.snapshotter.v1', id, { platforms, exports: { root: `${root}/io.containerd.snapshotter.v1.${id}` } }),
    ),
    plugin('io.containerd.metadata.v1', 'bolt', { capabilities: [] }),
    plugin('io.containerd.differ.v1', 'walking', { platforms }),
    plugin('io.containerd.event.v1', 'exchange'),
    plugin('io.containerd.gc.v1', 'scheduler'),
    plugin('io.containerd.lease.v1', 'manager'),
    plugin('io.containerd.runtime.v2', 'task', { platforms }),
    plugin('io.containerd.transfer.v1', 'local'),
    plugin('io.containerd.streaming.v1', 'manager'),
    ...grpc
      .filter((name) => name.startsWith('containerd.services.'))
      .map((name) => plugin('io.containerd.grpc.v1', name.split('.')[2] ?? name)),
  ];
}
