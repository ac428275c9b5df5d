// What a transfer stands on: one namespace's content and images, its snapshotters, and the unpacking of layers.
import type { Content } from '../content/content.ts';
import type { Unpacker } from '../diff/unpacker.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';

export interface TransferStorage {
  readonly namespace: string;
  readonly content: Content;
  readonly images: ImageStore;
  /** NotFound for an unknown name; '' is the default one. */
  snapshotter(name: string): Snapshotter;
  readonly unpacker: Pick<Unpacker, 'unpack'>;
}
