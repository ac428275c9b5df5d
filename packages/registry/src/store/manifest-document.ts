// What a registry needs to know of a manifest: what it refers to, and how it is described among the referrers of its subject
// (distribution-spec, "Listing Referrers"; image-spec manifest.md and image-index.md).
import { isDigest } from '@berth/oci/digest';
import { type Descriptor, type Index, isIndexType, type Manifest, parseManifestDocument } from '@berth/oci/image-spec';
import { Problem } from '../problem.ts';
import type { StoredManifest } from './repositories.ts';

export interface ParsedManifest {
  /** Configuration and layers: what has to be in the repository. */
  readonly blobs: readonly Descriptor[];
  /** Of an index. */
  readonly manifests: readonly Descriptor[];
  /** May be pushed later, or never. */
  readonly subject: Descriptor | undefined;
  /** This manifest, as its subject's referrers list shows it. */
  readonly descriptor: Descriptor;
}

/** MANIFEST_INVALID for what is no manifest of the media type that it was pushed with. */
export function parseManifest(stored: StoredManifest): ParsedManifest {
  const { mediaType, digest, bytes } = stored;
  const document = parse(stored);
  const subject = document.subject === undefined || document.subject === null ? undefined : checkedSubject(document.subject);
  const image = isIndexType(mediaType) ? undefined : (document as Manifest);
  const artifactType = document.artifactType || image?.config.mediaType;
  const { annotations } = document;
  return {
    blobs: image ? [image.config, ...image.layers] : [],
    manifests: image ? [] : (document as Index).manifests,
    subject,
    descriptor: {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}

/** Bytes that live elsewhere, at `urls`: registries need not have them. */
export function isForeign(descriptor: Descriptor): boolean {
  return /nondistributable|\.foreign\./.test(descriptor.mediaType);
}

function parse({ bytes, mediaType }: StoredManifest): Manifest | Index {
  try {
    const document = parseManifestDocument(bytes, mediaType);
    return document.kind === 'index' ? document.index : document.manifest;
  } catch (cause) {
    throw new Problem('MANIFEST_INVALID', `manifest invalid: ${(cause as Error).message}`, { cause });
  }
}

function checkedSubject(subject: Partial<Descriptor>): Descriptor {
  if (typeof subject.digest !== 'string' || !isDigest(subject.digest) || typeof subject.mediaType !== 'string')
    throw new Problem('MANIFEST_INVALID', 'manifest invalid: its subject is no descriptor');
  return subject as Descriptor;
}
