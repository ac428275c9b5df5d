// What a transfer tells its client on the way, in containerd's event words: every object goes from `waiting` through `downloading`
// (or `uploading`) to `complete`, or is `already exists`; layers go on to `extracting` and `extracted`.
import type { Descriptor } from '@berth/oci/image-spec';
import { isConfigType, isIndexType, isLayerType, isManifestType } from '@berth/oci/image-spec';

export type ProgressEvent =
  | 'waiting'
  | 'downloading'
  | 'uploading'
  | 'complete'
  | 'already exists'
  | `mounted from ${string}`
  | 'extracting'
  | 'extracted'
  | 'saved';

/** Steps are about one object, messages about the whole. */
export interface TransferProgress {
  /** A ProgressEvent, or a sentence such as `Resolving from …`. */
  event: string;
  /** `layer-sha256:…`, `manifest-sha256:…`, or an image's name. */
  name?: string;
  /** Names of the objects that refer to this one. */
  parents?: readonly string[];
  /** Bytes. */
  progress?: number;
  total?: number;
  descriptor?: Descriptor;
}

export type ProgressSink = (progress: TransferProgress) => void;

/** At most one message in so many milliseconds about the bytes of one object. */
const INTERVAL_MS = 100;

/** The reports about one object. */
export class ObjectProgress {
  readonly #sink: ProgressSink;
  readonly #descriptor: Descriptor;
  readonly #parents: readonly string[];
  #last = 0;

  constructor(sink: ProgressSink, descriptor: Descriptor, parents: readonly Descriptor[]) {
    this.#sink = sink;
    this.#descriptor = descriptor;
    this.#parents = parents.map(objectName);
  }

  step(event: ProgressEvent, progress = 0): void {
    const descriptor = this.#descriptor;
    this.#sink({ event, name: objectName(descriptor), parents: this.#parents, progress, total: descriptor.size, descriptor });
  }

  /** A step that repeats as bytes move: some reports are left out. */
  bytes(event: 'downloading' | 'uploading' | 'extracting', progress: number): void {
    const now = performance.now();
    if (now - this.#last < INTERVAL_MS && this.#last !== 0) return;
    this.#last = now;
    this.step(event, progress);
  }
}

/** containerd's ref key of an object: also the name of its ingest, so that two pulls of one layer meet. */
export function objectName(descriptor: Descriptor): string {
  const { mediaType, digest } = descriptor;
  if (isIndexType(mediaType)) return `index-${digest}`;
  if (isManifestType(mediaType)) return `manifest-${digest}`;
  if (isLayerType(mediaType)) return `layer-${digest}`;
  if (isConfigType(mediaType)) return `config-${digest}`;
  return `unknown-${digest}`;
}
