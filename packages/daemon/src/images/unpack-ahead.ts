// Unpacks the layers of an archive while the rest of it is still being read: as soon as a configuration has come by, and the layer that
// is next in its chain. What an archive really holds is known only at its end, so this is work ahead and decides nothing: a failure
// here is left to those who come to the same layer later, and snapshots that no image needs go with the load's lease.
import { chainIds, type Digest } from '@berth/oci/digest';
import { type Descriptor, MEDIA_TYPE, parseImageConfig, parseManifestDocument } from '@berth/oci/image-spec';
import { hostPlatform, type Platform, rank } from '@berth/oci/platform';
import type { ImageServices } from './image-services.ts';
import { unpackLayer } from './image-writer.ts';
import type { ArchiveFile } from './load-archive.ts';

/** An image as far as it is known, and how many of its layers are unpacked. */
interface Chain {
  diffIds: readonly Digest[];
  chainIds: readonly Digest[];
  config: Digest;
  done: number;
}

export class UnpackAhead {
  /** The chain ids of the snapshots that were made here. */
  readonly made = new Set<Digest>();
  readonly #services: ImageServices;
  readonly #lease: string;
  readonly #platforms: readonly Platform[];
  readonly #files = new Map<Digest, ArchiveFile>();
  readonly #chains: Chain[] = [];
  /** The layers' blobs by the digest of the configuration, from manifests. Where none says so, a layer is stored as it is unpacked. */
  readonly #blobs = new Map<Digest, readonly Digest[]>();
  #work: Promise<void> | undefined;
  #stopped = false;

  constructor(services: ImageServices, lease: string, platforms: readonly Platform[]) {
    this.#services = services;
    this.#lease = lease;
    this.#platforms = platforms.length > 0 ? platforms : [hostPlatform()];
  }

  /** Tells of one more file of the archive that is stored. */
  add(file: ArchiveFile): void {
    this.#files.set(file.digest, file);
    if (file.bytes?.[0] === 0x7b) this.#document(file.digest, file.bytes);
    if (this.#stopped) return;
    this.#work ??= this.#unpack().finally(() => {
      this.#work = undefined;
    });
  }

  /** Starts nothing more, and resolves when nothing goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  /** A configuration or a manifest, if it is one. What is wrong with it is said when the archive is there as a whole. */
  #document(digest: Digest, bytes: Buffer): void {
    const config = orNothing(() => parseImageConfig(bytes));
    if (config) {
      const { os, architecture, variant, rootfs } = config;
      const platform = { os, architecture, ...(variant ? { variant } : {}) };
      if (!this.#platforms.some((wanted) => rank(wanted, platform) !== undefined)) return;
      this.#chains.push({ diffIds: rootfs.diff_ids, chainIds: chainIds(rootfs.diff_ids), config: digest, done: 0 });
      return;
    }
    const document =
      orNothing(() => parseManifestDocument(bytes, MEDIA_TYPE.ociManifest)) ??
      orNothing(() => parseManifestDocument(bytes, MEDIA_TYPE.dockerManifest));
    if (document?.kind !== 'manifest') return;
    const { manifest } = document;
    this.#blobs.set(
      manifest.config.digest,
      manifest.layers.map((layer) => layer.digest),
    );
  }

  async #unpack(): Promise<void> {
    for (let next = this.#next(); next && !this.#stopped; next = this.#next()) {
      const { chain, layer } = next;
      const [parent = '', diffId, chainId] = [chain.chainIds[chain.done - 1], chain.diffIds[chain.done], chain.chainIds[chain.done]];
      try {
        const { existed } = await unpackLayer(this.#services, this.#lease, parent, layer, diffId as Digest);
        if (!existed) this.made.add(chainId as Digest);
        chain.done++;
      } catch {
        this.#chains.splice(this.#chains.indexOf(chain), 1);
      }
    }
  }

  /** A chain whose next layer is stored. */
  #next(): { chain: Chain; layer: Descriptor } | undefined {
    for (const chain of this.#chains) {
      const digest = this.#blobs.get(chain.config)?.[chain.done] ?? chain.diffIds[chain.done];
      const layer = digest && this.#files.get(digest);
      if (layer) return { chain, layer: { mediaType: layer.mediaType, digest: layer.digest, size: layer.size } };
    }
    return undefined;
  }
}

function orNothing<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
