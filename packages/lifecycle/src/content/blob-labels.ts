// Labels that the service itself gives to blobs, beside those that their makers gave. Runs in the lifecycle service.
import type { Digest } from '@berth/oci/digest';
import type { Labels } from '../metadata/labels.ts';
import type { Content } from './content.ts';

/** Names the uncompressed form of a layer: its diff id. */
export const UNCOMPRESSED = 'containerd.io/uncompressed';

/** Adds labels to a blob's own, or changes these. */
export function mergeLabels(content: Content, digest: Digest, labels: Labels): void {
  const paths = Object.keys(labels).map((key) => `labels.${key}`);
  // Without paths an update replaces all.
  if (paths.length > 0) content.update(digest, labels, paths);
}
