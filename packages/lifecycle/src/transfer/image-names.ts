// Under which names a transfer's images are stored: the rules of containerd's core/transfer/image for the ImageStore end of an import.
import { IMAGE_NAME, REF_NAME } from '@berth/oci/image-layout';
import type { Descriptor } from '@berth/oci/image-spec';
import type { ImageReference, ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';

/** Names for the archive's index as a whole. */
export function wholeNames({ name, extraReferences }: Pick<ImageStore, 'name' | 'extraReferences'>, { digest }: Descriptor): string[] {
  const extra = extraReferences.filter((reference) => !reference.isPrefix);
  return [...(name ? [name] : []), ...extra.map((reference) => (reference.addDigest ? `${reference.name}@${digest}` : reference.name))];
}

/** Names for one entry of the archive's index: its annotation, as far as the prefixes that the client gave allow it. */
export function entryNames({ extraReferences }: Pick<ImageStore, 'extraReferences'>, { annotations, digest }: Descriptor): string[] {
  const annotated = annotations?.[IMAGE_NAME] ?? annotations?.[REF_NAME];
  return extraReferences
    .filter((reference) => reference.isPrefix)
    .flatMap((reference) => {
      const name = annotated ? prefixed(annotated, reference) : undefined;
      const byDigest = reference.addDigest && !(name && reference.skipNamedDigest) ? [`${reference.name}@${digest}`] : [];
      return name ? [name, ...byDigest] : byDigest;
    });
}

/** A tag alone goes behind the prefix; a full name must begin with it, unless others may overwrite it. */
function prefixed(annotated: string, { name: prefix, allowOverwrite }: ImageReference): string | undefined {
  if (prefix === '') return undefined;
  if (!/[/:@]/.test(annotated)) return `${prefix}:${annotated}`;
  const within = annotated.startsWith(prefix) && /^([/:@]|$)/.test(annotated.slice(prefix.length));
  return allowOverwrite || within ? annotated : undefined;
}
