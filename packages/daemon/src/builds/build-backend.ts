// What a build needs of this daemon (the builder's BuildBackend), over the lifecycle service and the daemon's own containers.
import { randomUUID } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostConfig } from '@berth/api/host-config';
import type { AuthConfig } from '@berth/api/image';
import { FileTree } from '@berth/builder/context/file-tree';
import type { BuildBackend, BuiltLayer, ImageState, OpenFiles, RunRequest, RunResult } from '@berth/builder/solver/backend';
import { chainIdOf } from '@berth/builder/solver/image-state';
import type { Digest } from '@berth/oci/digest';
import { canonical, parseReference, type Reference, withDefaultTag } from '@berth/oci/reference';
import { credentialsOf } from '@berth/oci/registry/credentials';
import type { Span } from '@berth/trace/tracer';
import type { ContainerContext } from '../containers/context.ts';
import { openMounts } from '../containers/rootfs.ts';
import { emitImageEvent, type ImageContext } from '../images/image-context.ts';
import { commitLayer, saveImage } from '../images/image-writer.ts';
import type { ProgressSink } from '../images/progress-output.ts';
import { pullImage } from '../images/pull-image.ts';
import { keepUnnamed } from '../images/tag-image.ts';
import type { BuildLeases } from './build-leases.ts';
import { runStep } from './run-container.ts';

export interface BackendOptions {
  containers: ContainerContext;
  images: ImageContext;
  leases: BuildLeases;
  /** Holds what is being made until an image or the cache does. */
  lease: string;
  names: readonly Reference[];
  /** Fresh base images instead of stored ones. */
  pull: boolean;
  /** By registry host. */
  auth: Readonly<Record<string, AuthConfig>>;
  hostConfig: HostConfig;
  removeContainers: boolean;
  forceRemove: boolean;
  /** Of pulls. */
  progress: ProgressSink;
  signal: AbortSignal;
  span: Span;
}

/** `docker login` keeps Docker Hub under its old address. */
const HUB_KEY = 'https://index.docker.io/v1/';

export class LifecycleBuildBackend implements BuildBackend {
  readonly #options: BackendOptions;
  /** Content and snapshots that were seen in this build. */
  readonly #seen = new Set<string>();
  readonly #pulled = new Set<string>();

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  async image(name: string, platform: string | undefined): Promise<ImageState & { id: Digest }> {
    const { images, pull, auth, progress, signal } = this.#options;
    const stored = images.catalog.find(name);
    if (stored === undefined || (pull && !this.#pulled.has(name) && stored.repoTags.length > 0)) {
      const reference = withDefaultTag(parseReference(name));
      const host = reference.domain === 'docker.io' ? (auth[HUB_KEY] ?? auth['docker.io']) : auth[reference.domain];
      await pullImage(images, { reference, platform: platform ?? '', credentials: credentialsOf(host), signal }, progress);
      this.#pulled.add(name);
    }
    const { id, config, layers } = await images.catalog.resolve(name);
    return { id, config, layers };
  }

  async files(state: ImageState): Promise<OpenFiles> {
    const { services } = this.#options.images;
    const parent = chainIdOf(state);
    if (parent === '') return emptyFiles();
    const key = `build-${randomUUID()}`;
    const { mounts } = await services.snapshots.view({ snapshotter: services.snapshotter, key, parent }, { lease: this.#options.lease });
    const root = openMounts(mounts, { writable: false });
    return {
      tree: new FileTree(root.fd),
      [Symbol.asyncDispose]: async () => {
        root[Symbol.dispose]();
        await services.snapshots.remove({ snapshotter: services.snapshotter, key });
      },
    };
  }

  async change(state: ImageState, write: (root: number) => Promise<void>): Promise<BuiltLayer> {
    const { services } = this.#options.images;
    const { lease } = this.#options;
    const key = `build-${randomUUID()}`;
    const parent = chainIdOf(state);
    const { mounts } = await services.snapshots.prepare({ snapshotter: services.snapshotter, key, parent }, { lease });
    try {
      {
        await using root = openMounts(mounts, { writable: true });
        await write(root.fd);
      }
      return await this.#commit(key, parent);
    } catch (error) {
      await services.snapshots.remove({ snapshotter: services.snapshotter, key }).catch(() => {});
      throw error;
    }
  }

  run(request: RunRequest): Promise<RunResult> {
    const { containers, hostConfig, removeContainers, forceRemove, span } = this.#options;
    const commit = (containerId: string, parent: string) => this.#commit(containerId, parent);
    return runStep(containers, request, { hostConfig, remove: removeContainers, forceRemove, commit, span });
  }

  async has(state: ImageState): Promise<boolean> {
    const { services } = this.#options.images;
    const chainId = chainIdOf(state);
    const checks = state.layers.map(({ digest }) => this.#present(digest, () => services.content.info({ digest })));
    if (chainId !== '')
      checks.push(this.#present(chainId, () => services.snapshots.stat({ snapshotter: services.snapshotter, key: chainId })));
    return (await Promise.all(checks)).every(Boolean);
  }

  async save({ config, layers }: ImageState): Promise<Digest> {
    const { images, lease, names } = this.#options;
    const { services, catalog } = images;
    const full = names.map(canonical);
    const before = full.map((name) => catalog.named(name));
    const saved = await saveImage(services, lease, { config, layers, names: full });
    for (const image of before) await keepUnnamed(images, image, saved);
    await catalog.refresh();
    emitImageEvent(images, 'build', saved.id, catalog.get(saved.id), saved.id);
    return saved.id;
  }

  async #commit(key: string, parent: string): Promise<BuiltLayer> {
    const { images, lease, leases } = this.#options;
    const { descriptor, diffId, chainId } = await commitLayer(images.services, lease, key, parent);
    await leases.keep({ digest: descriptor.digest, chainId });
    this.#seen.add(descriptor.digest).add(chainId);
    return { descriptor, diffId };
  }

  async #present(id: string, ask: () => Promise<unknown>): Promise<boolean> {
    if (this.#seen.has(id)) return true;
    try {
      await ask();
      this.#seen.add(id);
      return true;
    } catch {
      return false;
    }
  }
}

/** The files of FROM scratch. */
function emptyFiles(): OpenFiles {
  const directory = mkdtempSync(join(tmpdir(), 'berth-scratch-'));
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    tree: new FileTree(fd),
    [Symbol.asyncDispose]: async () => {
      closeSync(fd);
      rmdirSync(directory);
    },
  };
}
