// An OCI image layout (image-spec image-layout.md) as an archive, with Docker's manifest.json beside it: what containerd and docker save
// and load. The names of its files, and the documents that every one ends with.
import { encodedOf } from './digest.ts';
import { type Descriptor, MEDIA_TYPE } from './image-spec.ts';
import { parseReference } from './reference.ts';
import { tarEntry } from './tar/entry.ts';
import { tarEnd, tarHeader, tarPadding } from './tar/writer.ts';

/** containerd's annotation of an index's entry: the full name, `docker.io/library/busybox:latest`. */
export const IMAGE_NAME = 'io.containerd.image.name';
/** The specification's: the tag alone. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** One image of Docker's manifest.json. */
export interface DockerImage {
  /** Files of the archive. */
  Config: string;
  Layers: string[];
  /** As people write them, `busybox:latest`. */
  RepoTags: string[] | null;
}

/** `blobs/sha256/<hex>`. */
export function blobName(digest: string): string {
  return `blobs/${digest.split(':', 1)[0]}/${encodedOf(digest)}`;
}

/** Of an index's entry that has this full name. Throws InvalidArgument for what is no name. */
export function nameAnnotations(name: string): Record<string, string> {
  return { [IMAGE_NAME]: name, [REF_NAME]: parseReference(name).tag ?? name };
}

/** The archive's last members: index.json, manifest.json where there are `images`, oci-layout. */
export function* layoutDocuments(manifests: readonly Descriptor[], images: readonly DockerImage[] | undefined): Generator<Buffer> {
  yield document('index.json', { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests });
  if (images) yield document('manifest.json', images);
  yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield tarEnd();
}

function document(name: string, value: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(value));
  return Buffer.concat([tarHeader(tarEntry({ type: 'file', name, mode: 0o644, size: bytes.length })), bytes, tarPadding(bytes.length)]);
}
