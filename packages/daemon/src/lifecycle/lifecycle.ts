// The daemon's view of the lifecycle service: one gRPC connection, one namespace, and the services that it calls.
import { Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import type { ServiceClient } from '@berth/rpc/grpc/client';
import { ShortcutConnection } from '@berth/rpc/grpc/shortcut';
import { formatTraceparent } from '@berth/trace/context';
import type { Span } from '@berth/trace/tracer';

/** A service that died is back within this time, ms; requests that come meanwhile wait for it. */
const RESTART_PATIENCE = 10_000;

export class Lifecycle {
  readonly connection: ShortcutConnection;
  readonly containers: ServiceClient<typeof Containers>;
  readonly events: ServiceClient<typeof Events>;
  readonly snapshots: ServiceClient<typeof Snapshots>;
  readonly tasks: ServiceClient<typeof Tasks>;
  readonly version: ServiceClient<typeof Version>;
  /** Somebody else's service, containerd: its shims and what it offers may be others than Berth's. Known after identify(). */
  foreign = false;
  /** The snapshotter of containers' root file systems. */
  readonly snapshotter: string;

  constructor(address: string, options: { namespace: string; snapshotter: string }) {
    this.connection = new ShortcutConnection(address, { namespace: options.namespace, patience: RESTART_PATIENCE });
    this.snapshotter = options.snapshotter;
    this.containers = this.connection.client(Containers);
    this.events = this.connection.client(Events);
    this.snapshots = this.connection.client(Snapshots);
    this.tasks = this.connection.client(Tasks);
    this.version = this.connection.client(Version);
  }

  /** Asks the service who it is: Berth's says so in its version's build part. */
  async identify(): Promise<void> {
    this.foreign = !(await this.version.version({})).version.includes('+berth');
  }
}

/** Call options that carry a span's trace downwards. */
export function traced(span: Span | undefined): { trace?: string } {
  return span ? { trace: formatTraceparent(span.context) } : {};
}
