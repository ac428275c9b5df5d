// What images take on the disk: the snapshots of their layers, each measured once by the lifecycle service.
import { isKind } from '@berth/errdefs/engine-error';
import { chainIds } from '@berth/oci/digest';
import type { Image } from './image.ts';
import type { ImageServices } from './image-services.ts';

export class ImageSizes {
  readonly #services: ImageServices;
  readonly #byChain = new Map<string, Promise<number>>();

  constructor(services: ImageServices) {
    this.#services = services;
  }

  /** Bytes of each layer, lowest first. A layer that is not unpacked counts nothing. */
  layers(image: Image): Promise<number[]> {
    return Promise.all(chainIds(image.config.rootfs.diff_ids).map((chainId) => this.#size(chainId)));
  }

  /** Bytes of a chain of snapshots. */
  async chain(chainIds: readonly string[]): Promise<number> {
    const sizes = await Promise.all(chainIds.map((chainId) => this.#size(chainId)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Bytes of all layers. */
  async total(image: Image): Promise<number> {
    return this.chain(chainIds(image.config.rootfs.diff_ids));
  }

  /** Bytes of layers that no image of `others` has. */
  async unique(image: Image, others: readonly Image[]): Promise<number> {
    const shared = new Set(others.filter((other) => other.id !== image.id).flatMap((other) => chainIds(other.config.rootfs.diff_ids)));
    const chain = chainIds(image.config.rootfs.diff_ids);
    const sizes = await this.layers(image);
    return sizes.reduce((sum, size, position) => (shared.has(chain[position] as (typeof chain)[number]) ? sum : sum + size), 0);
  }

  /** Bytes of all layers of all images, each counted once. */
  async together(images: readonly Image[]): Promise<number> {
    return this.chain([...new Set(images.flatMap((image) => chainIds(image.config.rootfs.diff_ids)))]);
  }

  #size(chainId: string): Promise<number> {
    let size = this.#byChain.get(chainId);
    if (!size) {
      size = this.#measure(chainId);
      this.#byChain.set(chainId, size);
      // Only what was measured is remembered.
      size.then(
        (bytes) => bytes === 0 && this.#byChain.delete(chainId),
        () => this.#byChain.delete(chainId),
      );
    }
    return size;
  }

  async #measure(key: string): Promise<number> {
    try {
      return (await this.#services.snapshots.usage({ snapshotter: this.#services.snapshotter, key })).size;
    } catch (error) {
      if (isKind(error, 'NotFound')) return 0;
      throw error;
    }
  }
}
