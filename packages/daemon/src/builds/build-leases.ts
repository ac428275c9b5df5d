// What the layer cache keeps alive: one lease of the lifecycle service holds the content and snapshots of every cached state, so
// that its garbage collection leaves them until the cache is pruned.
import { isKind } from '@berth/errdefs/engine-error';
import type { ImageServices } from '../images/image-services.ts';

const CACHE_LEASE = 'berth-build-cache';

export class BuildLeases {
  readonly #services: ImageServices;
  #created: Promise<void> | undefined;

  constructor(services: ImageServices) {
    this.#services = services;
  }

  async keep(layer: { digest: string; chainId: string }): Promise<void> {
    const { leases, snapshotter } = this.#services;
    this.#created ??= this.#create();
    await this.#created;
    const id = CACHE_LEASE;
    await Promise.all([
      leases.addResource({ id, resource: { id: layer.digest, type: 'content' } }),
      leases.addResource({ id, resource: { id: layer.chainId, type: `snapshots/${snapshotter}` } }),
    ]);
  }

  /** Gives everything else back to the garbage collection, which runs before this returns. */
  async keepOnly(layers: readonly { digest: string; chainId: string }[]): Promise<void> {
    const { leases } = this.#services;
    const wanted = new Set(layers.flatMap(({ digest, chainId }) => [digest, chainId]));
    const id = CACHE_LEASE;
    try {
      if (wanted.size === 0) {
        this.#created = undefined;
        await leases.delete({ id, sync: true });
        return;
      }
      const { resources } = await leases.listResources({ id });
      const unwanted = resources.filter((resource) => !wanted.has(resource.id));
      await Promise.all(unwanted.map((resource) => leases.deleteResource({ id, resource })));
      await this.#services.collect();
    } catch (error) {
      if (!isKind(error, 'NotFound')) throw error;
    }
  }

  async #create(): Promise<void> {
    try {
      await this.#services.leases.create({ id: CACHE_LEASE, labels: {} });
    } catch (error) {
      if (!isKind(error, 'AlreadyExists')) throw error;
    }
  }
}
