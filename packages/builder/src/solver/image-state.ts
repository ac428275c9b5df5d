// States of an image on its way: each instruction makes a new one from the last, with a line of history.
//
// Pure. Facts: image-spec config.md; the texts of `created_by` are the classic builder's, which `docker history` users know.
import { chainIds, type Digest, digestOf } from '@berth/oci/digest';
import type { ExecutionConfig, ImageConfig } from '@berth/oci/image-spec';
import { hostPlatform, normalize, parsePlatform } from '@berth/oci/platform';
import type { BuiltLayer, ImageState } from './backend.ts';

const DEFAULT_SHELL = ['/bin/sh', '-c'];
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** FROM scratch. */
export function emptyState(platform: string | undefined): ImageState {
  const { os, architecture, variant } = normalize(platform ? parsePlatform(platform) : hostPlatform());
  return {
    config: {
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: { Env: [DEFAULT_PATH] },
      rootfs: { type: 'layers', diff_ids: [] },
      history: [],
    },
    layers: [],
  };
}

/** What an image of this state has for its id. */
export function stateId(state: ImageState): Digest {
  return digestOf(JSON.stringify(state.config));
}

/** The snapshot with the state's files; '' for none. */
export function chainIdOf(state: ImageState): string {
  return chainIds(state.config.rootfs.diff_ids).at(-1) ?? '';
}

export interface Step {
  createdBy: string;
  /** Changed fields of the execution configuration. */
  config?: Partial<ExecutionConfig>;
  layer?: BuiltLayer;
  author?: string;
}

export function nextState(state: ImageState, { createdBy, config, layer, author }: Step, now = new Date()): ImageState {
  const created = now.toISOString();
  const { config: before } = state;
  const next: ImageConfig = {
    ...before,
    created,
    ...(author === undefined ? {} : { author }),
    config: { ...before.config, ...config },
    rootfs: { type: 'layers', diff_ids: layer ? [...before.rootfs.diff_ids, layer.diffId] : before.rootfs.diff_ids },
    history: [...(before.history ?? []), { created, created_by: createdBy, ...(layer ? {} : { empty_layer: true }) }],
  };
  return { config: next, layers: layer ? [...state.layers, layer.descriptor] : state.layers };
}

/** A base image's configuration for a build on it: what belongs to that image alone is taken off. */
export function derived({ config, layers }: ImageState): ImageState {
  const { container: _container, parent: _parent, docker_version: _version, ...kept } = config;
  return { config: { ...kept, config: { ...config.config } }, layers };
}

export function shellOf(state: ImageState): string[] {
  return state.config.config?.Shell ?? DEFAULT_SHELL;
}

/** `/bin/sh -c #(nop)  ENV a=b` */
export function noOperation(state: ImageState, text: string): string {
  return `${shellOf(state).join(' ')} #(nop) ${text}`;
}
