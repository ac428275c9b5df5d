// Unpacking an image: every layer into a snapshot under its chain id, layers side by side where the snapshotter allows it.
// Used in-process by transfer; runs in the lifecycle service, the archives themselves are read in worker threads.
//
// A layer is unpacked into a snapshot of its own, without parent, as soon as its blob is there; it is committed, with its parent, when
// the layer below is. Two images that share layers and are unpacked at the same time do the work once.
import { randomUUID } from 'node:crypto';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { chainIds, type Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { mergeLabels, UNCOMPRESSED } from '../content/blob-labels.ts';
import type { Content } from '../content/content.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import { adoptDirectories } from './adopt-directories.ts';
import type { Differ } from './differ.ts';
import { writableDirectories } from './mounted-directory.ts';

export interface LayerToUnpack {
  descriptor: Descriptor;
  /** From the image's configuration; the unpacked tar must have it. */
  diffId: Digest;
  /** Resolves when the blob is in the content store; unpacking starts then. Default: it is there. */
  ready?: Promise<unknown>;
  /** Called with compressed bytes consumed so far, a few times a second, and at the end. */
  onProgress?: (consumed: number) => void;
  /** Called when the layer's snapshot is there; `existed` when nothing had to be done. */
  onDone?: (existed: boolean) => void;
}

export interface UnpackTarget {
  namespace: string;
  content: Content;
  snapshotter: Snapshotter;
}

interface Running {
  target: UnpackTarget;
  layers: readonly LayerToUnpack[];
  chain: readonly Digest[];
  signal: AbortSignal;
}

export class Unpacker {
  readonly #differ: Differ;
  /** Layers that are being unpacked, by namespace, snapshotter and chain id. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(differ: Differ) {
    this.#differ = differ;
  }

  /** Unpacks layers, lowest first; returns the name of the uppermost one's snapshot. After a failure no snapshot of this call is left half made. */
  async unpack(target: UnpackTarget, layers: readonly LayerToUnpack[], options: { signal?: AbortSignal } = {}): Promise<Digest> {
    const chain = chainIds(layers.map((layer) => layer.diffId));
    const top = chain.at(-1);
    if (top === undefined) throw new EngineError('InvalidArgument', 'image has no layers to unpack', { layer: 'lifecycle' });
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    const running: Running = { target, layers, chain, signal };
    const done: Promise<void>[] = [];
    let failure: { error: unknown } | undefined;
    for (const index of layers.keys()) {
      const below = done[index - 1] ?? Promise.resolve();
      const layer = this.#layer(running, index, below);
      layer.catch((error) => {
        failure ??= { error };
        failed.abort();
      });
      done.push(layer);
    }
    await Promise.allSettled(done);
    if (failure) throw failure.error;
    return top;
  }

  async #layer(running: Running, index: number, below: Promise<void>): Promise<void> {
    const { target, chain, layers } = running;
    const name = chain[index] as Digest;
    const key = `${target.namespace}/${target.snapshotter.name}/${name}`;
    for (;;) {
      if (exists(target.snapshotter, name)) {
        // The chain id names everything below as well.
        layers[index]?.onDone?.(true);
        return;
      }
      const other = this.#underWay.get(key);
      if (!other) break;
      // Another unpack may be cancelled or fail for reasons of its own: then the work is ours.
      await other.catch(() => {});
      running.signal.throwIfAborted();
    }
    const own = this.#unpackOne(running, index, below);
    this.#underWay.set(key, own);
    try {
      await own;
    } finally {
      this.#underWay.delete(key);
    }
    layers[index]?.onDone?.(false);
  }

  async #unpackOne({ target, layers, chain, signal }: Running, index: number, below: Promise<void>): Promise<void> {
    const { snapshotter, content } = target;
    const layer = layers[index] as LayerToUnpack;
    const name = chain[index] as Digest;
    const parent = chain[index - 1];
    if (!snapshotter.rebases) await below;
    await layer.ready;
    signal.throwIfAborted();
    const key = `extract-${randomUUID({ disableEntropyCache: true })} ${name}`;
    const mounts = await snapshotter.prepare(key, snapshotter.rebases ? undefined : parent);
    try {
      // The lowest layer has nothing to hide: deletions in it are carried out, not kept.
      const whiteouts = snapshotter.rebases && parent !== undefined ? 'overlay' : 'remove';
      const applied = await this.#differ.apply(content, layer.descriptor, mounts, { whiteouts, signal, onProgress: layer.onProgress });
      if (applied.diffId !== layer.diffId) {
        throw new EngineError(
          'FailedPrecondition',
          `wrong diff id calculated on extraction: expected ${layer.diffId}, got ${applied.diffId}: the layer ${layer.descriptor.digest} is not the one that the image's configuration names`,
          {
            layer: 'lifecycle',
          },
        );
      }
      mergeLabels(content, layer.descriptor.digest, { [UNCOMPRESSED]: applied.diffId });
      await below;
      signal.throwIfAborted();
      if (snapshotter.rebases) await this.#adopt(target, mounts, parent, applied.implicitDirectories);
      await snapshotter.commit(name, key, parent === undefined ? {} : { parent });
      layer.onProgress?.(layer.descriptor.size);
    } catch (error) {
      await snapshotter.remove(key).catch(() => {});
      if (!isKind(error, 'AlreadyExists')) throw error;
    }
  }

  /** Directories that the layer used without listing them take after those below, which are known only now. */
  async #adopt(
    { snapshotter }: UnpackTarget,
    mounts: Parameters<typeof writableDirectories>[0],
    parent: Digest | undefined,
    names: readonly string[],
  ): Promise<void> {
    if (names.length === 0 || parent === undefined) return;
    const key = `adopt-${randomUUID({ disableEntropyCache: true })}`;
    const child = await snapshotter.prepare(key, parent);
    try {
      adoptDirectories(writableDirectories(mounts).upper, writableDirectories(child).lowers, names);
    } finally {
      await snapshotter.remove(key);
    }
  }
}

function exists(snapshotter: Snapshotter, name: string): boolean {
  try {
    return snapshotter.retain(name).kind === 'committed';
  } catch (error) {
    if (isKind(error, 'NotFound')) return false;
    throw error;
  }
}
