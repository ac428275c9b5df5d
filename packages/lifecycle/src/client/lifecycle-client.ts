// The client of a lifecycle service, Berth's or containerd's: one connection, one namespace, and every service that it answers with its
// own types. The files beside this one do what takes more than one call. berthd is one such client; docs/embedding.md shows another.
import { randomUUID } from 'node:crypto';
import { isKind } from '@berth/errdefs/engine-error';
import { Containers } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Diff } from '@berth/rpc/gen/containerd/services/diff/v1/diff';
import { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Introspection } from '@berth/rpc/gen/containerd/services/introspection/v1/introspection';
import { Leases } from '@berth/rpc/gen/containerd/services/leases/v1/leases';
import { Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import { Controller, Store } from '@berth/rpc/gen/containerd/services/sandbox/v1/sandbox';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Tasks } from '@berth/rpc/gen/containerd/services/tasks/v1/tasks';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import type { ServiceClient } from '@berth/rpc/grpc/client';
import { ShortcutConnection } from '@berth/rpc/grpc/shortcut';

/** A lease that its owner never deletes, for it was killed, ends by itself. */
const LEASE_LIFE_MS = 24 * 3_600_000;

export interface LifecycleClientOptions {
  namespace: string;
  /** Milliseconds that a call waits for a service that is being started again; without it such a call fails at once. */
  patience?: number;
}

/** Dispose of it when done. Calls throw EngineError with the service's kinds; Unavailable when it cannot be reached. */
export class LifecycleClient implements Disposable {
  readonly connection: ShortcutConnection;
  readonly namespace: string;
  readonly containers: ServiceClient<typeof Containers>;
  readonly content: ServiceClient<typeof Content>;
  readonly diff: ServiceClient<typeof Diff>;
  readonly events: ServiceClient<typeof Events>;
  readonly images: ServiceClient<typeof Images>;
  readonly introspection: ServiceClient<typeof Introspection>;
  readonly leases: ServiceClient<typeof Leases>;
  readonly namespaces: ServiceClient<typeof Namespaces>;
  readonly sandboxes: ServiceClient<typeof Store>;
  readonly sandboxController: ServiceClient<typeof Controller>;
  readonly snapshots: ServiceClient<typeof Snapshots>;
  readonly streaming: ServiceClient<typeof Streaming>;
  readonly tasks: ServiceClient<typeof Tasks>;
  readonly transfer: ServiceClient<typeof Transfer>;
  readonly version: ServiceClient<typeof Version>;
  /** Leases whose end the service could not be told. */
  readonly #unreleased: string[] = [];

  /** `address` is the service's socket. Nothing is connected before the first call, or before `ready`. */
  constructor(address: string, { namespace, patience }: LifecycleClientOptions) {
    const connection = new ShortcutConnection(address, { namespace, ...(patience === undefined ? {} : { patience }) });
    this.connection = connection;
    this.namespace = namespace;
    this.containers = connection.client(Containers);
    this.content = connection.client(Content);
    this.diff = connection.client(Diff);
    this.events = connection.client(Events);
    this.images = connection.client(Images);
    this.introspection = connection.client(Introspection);
    this.leases = connection.client(Leases);
    this.namespaces = connection.client(Namespaces);
    this.sandboxes = connection.client(Store);
    this.sandboxController = connection.client(Controller);
    this.snapshots = connection.client(Snapshots);
    this.streaming = connection.client(Streaming);
    this.tasks = connection.client(Tasks);
    this.transfer = connection.client(Transfer);
    this.version = connection.client(Version);
  }

  /** Unavailable when the service does not answer within `timeout` milliseconds. */
  ready(timeout?: number): Promise<void> {
    return this.connection.ready(timeout);
  }

  /** Runs `body` under a lease, to be named in its calls: what they make is not collected as garbage before it ends. */
  async withLease<T>(body: (lease: string) => Promise<T>, id = `berth-${randomUUID({ disableEntropyCache: true })}`): Promise<T> {
    for (const unreleased of this.#unreleased.splice(0)) await this.#release(unreleased);
    await this.leases.create({ id, labels: { 'containerd.io/gc.expire': new Date(Date.now() + LEASE_LIFE_MS).toISOString() } });
    try {
      return await body(id);
    } finally {
      await this.#release(id);
    }
  }

  /** A service that is being started again cannot be told now: then it is told with the next lease. */
  async #release(id: string): Promise<void> {
    try {
      await this.leases.delete({ id });
    } catch (error) {
      if (!isKind(error, 'NotFound')) this.#unreleased.push(id);
    }
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}
