// What the verbs on containers work with: handed to each of them, made once in daemon.ts.
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import type { Networks } from '@berth/network/networks';
import type { Tracer } from '@berth/trace/tracer';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Events } from '../events/events.ts';
import type { ImageResolver } from '../images/image.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { ShimConnections } from '../lifecycle/shim-connections.ts';
import type { Background } from '../state/background.ts';
import type { Volumes } from '../volumes/volumes.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { AccountCache } from './rootfs.ts';

export interface ContainerContext {
  readonly config: Config;
  readonly store: ContainerStore;
  readonly images: ImageResolver;
  readonly lifecycle: Lifecycle;
  readonly shims: ShimConnections;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly events: Events;
  readonly accounts: AccountCache;
  /** For work on many files: it keeps nobody waiting. */
  readonly threads: UnpackPool;
  readonly background: Background;
  readonly tracer: Tracer;
  readonly log: Logger;
}

/** The attributes that every event of a container carries. */
export function emitContainerEvent(
  context: ContainerContext,
  container: Container,
  action: string,
  attributes: Record<string, string> = {},
): void {
  const { config, name } = container.record;
  context.events.emit('container', action, container.id, { ...config.Labels, image: config.Image ?? '', name, ...attributes });
}
