// GET /images/get: images as one archive, an OCI image layout with Docker's manifest.json beside it, which is what docker itself
// saves since version 25. Blobs are the content store's, so loading them gives the same digests.
import type { Digest } from '@berth/oci/digest';
import { blobName, type DockerImage, layoutDocuments, nameAnnotations } from '@berth/oci/image-layout';
import { type Descriptor, isIndexType, parseManifestDocument } from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import { canonical, familiar, parseReference, tryParseReference, withDefaultTag } from '@berth/oci/reference';
import { tarEntry } from '@berth/oci/tar/entry';
import { tarHeader, tarPadding } from '@berth/oci/tar/writer';
import type { Image } from './image.ts';
import { noSuchImage } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { manifestParts } from './image-manifests.ts';
import type { ImageServices } from './image-services.ts';

interface Chosen {
  image: Image;
  /** Full names to save it under. */
  names: string[];
  /** The manifest, or the index that it is one of. */
  target: Descriptor;
}

/** The archive's bytes: all that is here of each image, or what is for `platforms`. Every name is looked up before the first byte. */
export async function saveImages(
  context: ImageContext,
  names: readonly string[],
  platforms: readonly Platform[],
): Promise<AsyncGenerator<Uint8Array>> {
  const chosen: Chosen[] = [];
  for (const { image, names: called } of choose(context, names)) {
    if (platforms.length === 0) chosen.push({ image, names: called, target: context.catalog.targetOf(image) });
    for (const platform of platforms) {
      const found = await context.catalog.forPlatform(image, platform, called[0] ?? image.id);
      chosen.push({ image: found, names: called, target: found.manifest });
    }
  }
  for (const { image } of chosen) emitImageEvent(context, 'save', image.id, image, image.id);
  return archiveOf(context.services, chosen);
}

function choose(context: ImageContext, names: readonly string[]): Omit<Chosen, 'target'>[] {
  const byId = new Map<Digest, Omit<Chosen, 'target'>>();
  const add = (image: Image, name: string | undefined) => {
    const entry = byId.get(image.id) ?? { image, names: [] };
    if (name !== undefined && !entry.names.includes(name)) entry.names.push(name);
    byId.set(image.id, entry);
  };
  for (const text of names) {
    const reference = tryParseReference(text);
    const tags = context.catalog.all().flatMap((image) => image.repoTags.map((tag) => ({ image, tag, parsed: parseReference(tag) })));
    // A repository without a tag means all of its tags.
    const all =
      reference?.tag === undefined && reference?.digest === undefined
        ? tags.filter(({ parsed }) => parsed.domain === reference?.domain && parsed.path === reference.path)
        : [];
    for (const { image, tag } of all) add(image, tag);
    if (all.length > 0) continue;
    const image = context.catalog.find(text);
    if (!image) throw noSuchImage(text);
    add(image, reference?.tag !== undefined && image.repoTags.includes(familiar(reference)) ? familiar(reference) : undefined);
  }
  return [...byId.values()];
}

async function* archiveOf(services: ImageServices, chosen: readonly Chosen[]): AsyncGenerator<Uint8Array> {
  const written = new Set<string>();
  const index: Descriptor[] = [];
  const images: DockerImage[] = [];
  for (const directory of ['blobs', 'blobs/sha256']) yield tarHeader(tarEntry({ type: 'directory', name: directory, mode: 0o755 }));
  for (const { image, names, target } of chosen) {
    const document = parseManifestDocument(await services.read(image.manifest.digest), image.manifest.mediaType);
    if (document.kind !== 'manifest') continue;
    const { config, layers } = document.manifest;
    const parts = await manifestParts(services, target);
    const here = parts.filter(({ available }) => available).flatMap(({ descriptor, blobs }) => [descriptor, ...blobs]);
    for (const blob of [...(isIndexType(target.mediaType) ? [target] : []), ...here]) {
      if (written.has(blob.digest)) continue;
      written.add(blob.digest);
      yield* blobMember(services, blob);
    }
    images.push({
      Config: blobName(config.digest),
      RepoTags: names.length > 0 ? names : null,
      Layers: layers.map((layer) => blobName(layer.digest)),
    });
    const annotated = names.map((name) => ({ ...target, annotations: nameAnnotations(canonical(withDefaultTag(parseReference(name)))) }));
    index.push(...(annotated.length > 0 ? annotated : [target]));
  }
  yield* layoutDocuments(index, images);
}

async function* blobMember(services: ImageServices, blob: Descriptor): AsyncGenerator<Uint8Array> {
  yield tarHeader(tarEntry({ type: 'file', name: blobName(blob.digest), mode: 0o644, size: blob.size }));
  for await (const { data } of services.content.read({ digest: blob.digest })) yield data;
  yield tarPadding(blob.size);
}
