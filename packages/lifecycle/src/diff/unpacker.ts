// Unpacking an image: every layer into a snapshot under its chain id, layers side by side where the snapshotter allows it.
// Used in-process by transfer; runs in the lifecycle service, the archives themselves are read in worker threads.
import type { Descriptor } from '@berth/oci/image-spec';
import type { Digest } from '@berth/oci/digest';

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
