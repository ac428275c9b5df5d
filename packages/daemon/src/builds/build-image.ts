// `POST /build`: a request's parameters and archive become an image, told in the classic builder's words.
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { HostConfig } from '@berth/api/host-config';
import type { AuthConfig, ProgressMessage } from '@berth/api/image';
import type { BuildCacheRecord } from '@berth/api/system';
import { build } from '@berth/builder/solver/build';
import { BuildCache } from '@berth/builder/solver/build-cache';
import { shortDigest } from '@berth/oci/digest';
import { familiar, type Reference } from '@berth/oci/reference';
import type { Span } from '@berth/trace/tracer';
import type { ContainerContext } from '../containers/context.ts';
import type { ImageContext } from '../images/image-context.ts';
import { emitImageEvent } from '../images/image-context.ts';
import type { ProgressSink } from '../images/progress-output.ts';
import { LifecycleBuildBackend } from './build-backend.ts';
import { type BuildContext, receiveContext, resetContexts } from './build-context.ts';
import { BuildLeases } from './build-leases.ts';
import { type CacheLimits, cacheUsage, expendable, layersOf, reclaimable } from './cache-usage.ts';
import { removeAbandoned } from './run-container.ts';

export interface BuildParameters {
  /** '' is the context's own. */
  dockerfile: string;
  names: readonly Reference[];
  target: string;
  platform: string | undefined;
  buildArgs: Readonly<Record<string, string | null>>;
  labels: Readonly<Record<string, string>>;
  hostConfig: HostConfig;
  auth: Readonly<Record<string, AuthConfig>>;
  useCache: boolean;
  /** Names of images; those that are not here do not help. */
  cacheFrom: readonly string[];
  pull: boolean;
  removeContainers: boolean;
  forceRemove: boolean;
  /** Only the image's id is told. */
  quiet: boolean;
}

export class Builds {
  readonly #containers: ContainerContext;
  readonly #images: ImageContext;
  readonly #contexts: string;
  readonly #cache: BuildCache;
  readonly #leases: BuildLeases;

  constructor(containers: ContainerContext, images: ImageContext) {
    this.#containers = containers;
    this.#images = images;
    const directory = join(containers.config.dataRoot, 'builder');
    this.#contexts = join(directory, 'contexts');
    this.#cache = new BuildCache(join(directory, 'cache'));
    this.#leases = new BuildLeases(images.services);
    resetContexts(this.#contexts);
    const { background, log } = containers;
    background.track(
      removeAbandoned(containers).catch((error) => log.warn({ err: error }, 'cannot remove the containers of abandoned builds')),
    );
  }

  async run(parameters: BuildParameters, archive: Readable, write: ProgressSink, signal: AbortSignal, span: Span): Promise<void> {
    await using context = await receiveContext(this.#containers.threads, archive, this.#contexts, parameters.dockerfile, signal);
    const held: ProgressMessage[] = [];
    const told: ProgressSink = parameters.quiet ? (message) => held.push(message) : write;
    try {
      await this.#build(parameters, context, told, signal, span, write);
    } catch (error) {
      // A quiet build that fails says what it has kept to itself.
      for (const message of held) write(message);
      throw error;
    }
  }

  async #build(
    parameters: BuildParameters,
    context: BuildContext,
    told: ProgressSink,
    signal: AbortSignal,
    span: Span,
    write: ProgressSink,
  ): Promise<void> {
    await this.#images.services.withLease(async (lease) => {
      const { names, pull, auth, hostConfig, removeContainers, forceRemove } = parameters;
      const backend = new LifecycleBuildBackend({
        containers: this.#containers,
        images: this.#images,
        leases: this.#leases,
        lease,
        names,
        pull,
        auth,
        hostConfig,
        removeContainers,
        forceRemove,
        progress: told,
        signal,
        span,
      });
      const { target, platform, buildArgs, labels, useCache } = parameters;
      const cacheSources = parameters.cacheFrom.flatMap((name) => this.#images.catalog.find(name) ?? []);
      const output = (text: string) => told({ stream: text });
      const { dockerfile, tree } = context;
      const id = await build(
        {
          dockerfile,
          context: tree,
          threads: this.#containers.threads,
          buildArgs,
          labels,
          target,
          platform,
          useCache,
          cacheSources,
          removeContainers,
          signal,
          output,
        },
        backend,
        this.#cache,
      );
      this.#tell(id, parameters, write);
    });
  }

  /** What the layer cache takes on the disk. */
  usage(): Promise<BuildCacheRecord[]> {
    return cacheUsage(this.#cache, this.#images.catalog.all(), this.#images.sizes);
  }

  /** Forgets what of the layer cache nothing speaks for. What no image has any more is removed from the disk. */
  async prune(limits: CacheLimits): Promise<{ CachesDeleted: string[]; SpaceReclaimed: number }> {
    const gone = expendable(await this.usage(), limits);
    const keys = new Set(gone.map(({ ID }) => ID));
    const entries = this.#cache.entries();
    this.#cache.forget(keys);
    const kept = entries.filter(({ key }) => !keys.has(key)).map(({ state }) => state);
    await this.#leases.keepOnly(kept.flatMap(layersOf));
    return { CachesDeleted: [...keys], SpaceReclaimed: reclaimable(gone) };
  }

  #tell(id: `${string}:${string}`, { names, quiet }: BuildParameters, write: ProgressSink): void {
    const image = this.#images.catalog.get(id);
    for (const name of names) emitImageEvent(this.#images, 'tag', id, image, familiar(name));
    if (quiet) {
      write({ stream: `${id}\n` });
      return;
    }
    write({ aux: { ID: id } });
    write({ stream: `Successfully built ${shortDigest(id)}\n` });
    for (const name of names) write({ stream: `Successfully tagged ${familiar(name)}\n` });
  }
}
