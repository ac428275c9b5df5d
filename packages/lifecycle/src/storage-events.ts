// What storage tells the rest of the world: containerd's events for content, images and snapshots.
import { pack } from '@berth/rpc/any';
import { ContentCreate, ContentDelete } from '@berth/rpc/gen/containerd/events/content';
import { ImageCreate, ImageDelete, ImageUpdate } from '@berth/rpc/gen/containerd/events/image';
import { SnapshotCommit, SnapshotPrepare, SnapshotRemove } from '@berth/rpc/gen/containerd/events/snapshot';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { OnContentChange } from './content/namespace-content.ts';
import type { OnImageChange } from './images/sqlite-image-store.ts';
import type { SnapshotterOptions } from './snapshots/directory-snapshotter.ts';

/** Puts an event into the exchange: topic as `/images/create`, the message packed. */
export type PublishEvent = (namespace: string, topic: string, event: Any) => void;

export interface StorageEvents {
  content: OnContentChange;
  image: OnImageChange;
  snapshot: NonNullable<SnapshotterOptions['onChange']>;
}

export function storageEvents(publish: PublishEvent): StorageEvents {
  return {
    content(namespace, { kind, digest, size }) {
      if (kind === 'created') publish(namespace, '/content/create', pack(ContentCreate, { digest, size }));
      else publish(namespace, '/content/delete', pack(ContentDelete, { digest }));
    },
    image(namespace, change) {
      if (change.kind === 'deleted') publish(namespace, '/images/delete', pack(ImageDelete, { name: change.name }));
      else if (change.kind === 'created')
        publish(namespace, '/images/create', pack(ImageCreate, { name: change.image.name, labels: change.image.labels }));
      else publish(namespace, '/images/update', pack(ImageUpdate, { name: change.image.name, labels: change.image.labels }));
    },
    snapshot(namespace, snapshotter, change) {
      switch (change.kind) {
        case 'prepared':
          return publish(namespace, '/snapshot/prepare', pack(SnapshotPrepare, { key: change.key, parent: change.parent, snapshotter }));
        case 'committed':
          return publish(namespace, '/snapshot/commit', pack(SnapshotCommit, { key: change.key, name: change.name, snapshotter }));
        case 'removed':
          return publish(namespace, '/snapshot/remove', pack(SnapshotRemove, { key: change.key, snapshotter }));
      }
    },
  };
}
