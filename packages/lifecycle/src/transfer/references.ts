// The labels by which the garbage collector finds what a stored object needs (containerd's docs/garbage-collection.md): an index
// names its manifests, a manifest its configuration and layers, a configuration the snapshot that its layers were unpacked to.
// The service's transfers write them, and the daemon where it stores images by itself.
import { chainIds } from '@berth/oci/digest';
import type { Descriptor, ImageConfig, Index, Manifest } from '@berth/oci/image-spec';
import type { Reference } from '@berth/oci/reference';
import { CONTENT_LABEL, SNAPSHOT_LABEL } from '../gc/references.ts';
import { fits, type Labels } from '../metadata/labels.ts';

const SOURCE = 'containerd.io/distribution.source';

/** To those of an index's manifests that are here. */
export function indexLabels(index: Index, kept: readonly Descriptor[]): Labels {
  const digests = new Set(kept.map((descriptor) => descriptor.digest));
  const entries = index.manifests.map((descriptor, position) => [`${CONTENT_LABEL}.m.${position}`, descriptor.digest] as const);
  return Object.fromEntries(entries.filter(([, digest]) => digests.has(digest)));
}

/** To configuration and layers. */
export function manifestLabels(manifest: Manifest): Labels {
  const layers = manifest.layers.map((layer, position) => [`${CONTENT_LABEL}.l.${position}`, layer.digest] as const);
  return { [`${CONTENT_LABEL}.config`]: manifest.config.digest, ...Object.fromEntries(layers) };
}

/** To the snapshot of the uppermost layer, in the snapshotter of that name; none for an image without layers. */
export function configLabels(config: ImageConfig, snapshotter: string): Labels {
  const top = chainIds(config.rootfs.diff_ids).at(-1);
  return top === undefined ? {} : { [`${SNAPSHOT_LABEL}.${snapshotter}`]: top };
}

/**
 * From which repository of which registry a blob came: where a later push may mount it from. None when there are too many for a label, as a
 * layer that everybody has may come to.
 */
export function sourceLabel(reference: Reference, existing: string | undefined): Labels {
  const paths = new Set((existing ?? '').split(',').filter(Boolean)).add(reference.path);
  const [key, value] = [sourceKey(reference), [...paths].sort().join(',')];
  return fits(key, value) ? { [key]: value } : {};
}

export function sourcesOf(labels: Labels, reference: Reference): string[] {
  return (labels[sourceKey(reference)] ?? '').split(',').filter((path) => path !== '' && path !== reference.path);
}

/** containerd names the host without its port. */
export function sourceKey({ domain }: Reference): string {
  return `${SOURCE}.${domain.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')}`;
}
