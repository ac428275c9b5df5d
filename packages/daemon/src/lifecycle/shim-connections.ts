// Connections to the shims of containers, past the daemon's own lifecycle service: an exec is a matter between daemon and shim, and the
// service would only pass it on, twice in each direction. Where a shim is, its bundle says (bootstrap.json, in containerd's layout), as
// does the state directory of the service where bundles are. Of another's service that is not known: calls then go the usual way.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { type Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';

export type ShimTask = Stub<typeof Task>;

const BUNDLES = 'io.containerd.runtime.v2.task';

export class ShimConnections implements Disposable {
  readonly #bundles: string | undefined;
  readonly #open = new Map<string, TtrpcClient>();

  /** `state` is the service's state directory, if it is known. */
  constructor(state: string | undefined, namespace: string) {
    this.#bundles = state === undefined ? undefined : join(state, BUNDLES, namespace);
  }

  /** The task API of a running container's shim; undefined where it cannot be had. */
  async taskOf(containerId: string): Promise<ShimTask | undefined> {
    const open = this.#open.get(containerId);
    if (open?.connected) return open.stub(Task);
    if (this.#bundles === undefined) return undefined;
    try {
      const bootstrap = readFileSync(join(this.#bundles, containerId, 'bootstrap.json'), 'utf8');
      const { address, protocol, version } = JSON.parse(bootstrap) as { address: string; protocol: string; version: number };
      if (protocol !== 'ttrpc' || version !== 3) return undefined;
      const client = await TtrpcClient.connect(address);
      // Of two requests at once the first to arrive stays.
      const first = this.#open.get(containerId);
      if (first?.connected) {
        client.close();
        return first.stub(Task);
      }
      this.#open.set(containerId, client.unref());
      void client.closed().then(() => {
        if (this.#open.get(containerId) === client) this.#open.delete(containerId);
      });
      return client.stub(Task);
    } catch {
      // No bundle, or a shim that does not answer: the service knows what has become of it.
      return undefined;
    }
  }

  /** The container's process has ended: the next one has another shim. */
  close(containerId: string): void {
    this.#open.get(containerId)?.close();
    this.#open.delete(containerId);
  }

  [Symbol.dispose](): void {
    for (const client of this.#open.values()) client.close();
    this.#open.clear();
  }
}
