// What the verbs on images work with: handed to each of them, made once when the daemon starts.
import { join } from 'node:path';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import type { Config } from '../config/config.ts';
import type { Events } from '../events/events.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Image, ImageUsers } from './image.ts';
import { ImageCatalog } from './image-catalog.ts';
import { ImageServices } from './image-services.ts';
import { ImageSizes } from './image-sizes.ts';
import { RegistryHosts } from './registry-hosts.ts';
import { Spool } from './spool.ts';

export interface ImageContext {
  readonly services: ImageServices;
  readonly catalog: ImageCatalog;
  readonly sizes: ImageSizes;
  readonly hosts: RegistryHosts;
  /** For archives that clients send. */
  readonly spool: Spool;
  /** For work that is system calls in a row. */
  readonly threads: UnpackPool;
  readonly users: ImageUsers;
  readonly events: Events;
}

export interface ImageContextOptions {
  lifecycle: Lifecycle;
  config: Config;
  threads: UnpackPool;
  users: ImageUsers;
  events: Events;
}

/** Before the first request, `catalog.refresh()` must have been awaited. */
export function imageContext({ lifecycle, config, threads, users, events }: ImageContextOptions): ImageContext {
  const services = new ImageServices(lifecycle);
  return {
    services,
    catalog: new ImageCatalog(services),
    sizes: new ImageSizes(services),
    hosts: new RegistryHosts(config),
    spool: new Spool(join(config.dataRoot, 'spool')),
    threads,
    users,
    events,
  };
}

/** Docker's image events carry the image's labels and the name that people know. */
export function emitImageEvent(context: ImageContext, action: string, actor: string, image: Image | undefined, name: string): void {
  context.events.emit('image', action, actor, { ...image?.config.config?.Labels, name });
}

/** Keeps the catalog fresh when others (ctr, nerdctl) change images of this namespace. Ends with the signal, or with the connection. */
export async function followImages(context: ImageContext, lifecycle: Lifecycle, namespace: string, signal: AbortSignal): Promise<void> {
  // What changed while nobody listened.
  await context.catalog.refresh();
  const filters = [`namespace==${namespace},topic~=|^/images/|`];
  for await (const _change of lifecycle.events.subscribe({ filters }, { signal })) await context.catalog.refresh();
}
