// Diffs: layers as archives against layers as directories (containerd's core/diff, gRPC containerd.services.diff.v1).
// `apply` unpacks a layer onto a snapshot's mounts, `compare` packs what one snapshot changed over another.
// The archive is image-spec's layer.md: a tar, maybe compressed, with `.wh.` entries for what was deleted.
import type { Digest } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import type { Content } from '../content/content.ts';
import type { Labels } from '../metadata/labels.ts';
import type { Mount } from '../snapshots/snapshotter.ts';

export interface ApplyOptions {
  /** Makes the unpacked files durable (syncfs) before returning. */
  sync?: boolean;
  /**
   * How deletions are kept. Default: by the mounts, that is overlayfs' marks for an overlay's upper directory, else the files are
   * removed. `overlay` is for a snapshot that gets its parent at commit only.
   */
  whiteouts?: 'overlay' | 'remove';
  /** Called with compressed bytes consumed so far, a few times a second. */
  onProgress?: (consumed: number) => void;
  signal?: AbortSignal;
}

export interface Applied {
  /** The uncompressed tar: digest is the layer's diff id. */
  diffId: Digest;
  /** Bytes of the uncompressed tar. */
  size: number;
  /**
   * Directories that the archive used without listing them, relative, parents first. Where a layer below has them, `apply` has
   * given them its owner, mode and times; a parent that is attached later (parallel unpacking) needs `adoptDirectories`.
   */
  implicitDirectories: string[];
}

export interface CompareOptions {
  /** Media type of the result; its suffix chooses the compression. Default: OCI tar+gzip. */
  mediaType?: string;
  /** Ref of the ingest; default: one of its own. */
  ref?: string;
  labels?: Labels;
  /** Times after this one become this one: SOURCE_DATE_EPOCH. */
  sourceDateEpoch?: Date;
  /** Paths from the root: what is empty there, and is not in `lower`, was made to be mounted over and is left out. */
  mountPoints?: readonly string[];
  signal?: AbortSignal;
}

export interface Differ {
  /** InvalidArgument for an archive that is malformed or reaches outside; the mounts' state is undefined after a failure: remove the snapshot. */
  apply(content: Content, layer: Descriptor, mounts: readonly Mount[], options?: ApplyOptions): Promise<Applied>;
  /** Writes the layer that turns `lower` into `upper` into `content`; the label `containerd.io/uncompressed` carries its diff id. */
  compare(content: Content, lower: readonly Mount[], upper: readonly Mount[], options?: CompareOptions): Promise<Descriptor>;
}
