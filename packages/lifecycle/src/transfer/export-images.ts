// Exporting: images from the content store as one archive, an OCI image layout (image-layout.md) with Docker's manifest.json beside it,
// which is what containerd's clients and docker load. The same images give the same bytes.
import { createReadStream } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { blobName, type DockerImage, layoutDocuments, nameAnnotations } from '@berth/oci/image-layout';
import { type Descriptor, isIndexType, type Manifest, MEDIA_TYPE, parseManifestDocument } from '@berth/oci/image-spec';
import { bestMatch, hostPlatform, type Platform, rank } from '@berth/oci/platform';
import { familiar, tryParseReference, withDefaultTag } from '@berth/oci/reference';
import { tarEntry } from '@berth/oci/tar/entry';
import { tarHeader, tarPadding } from '@berth/oci/tar/writer';
import type { Image } from '../images/image-store.ts';
import type { TransferStorage } from './storage.ts';

export interface ExportOptions {
  storage: TransferStorage;
  images: readonly Image[];
  /** Of an index, the manifests of these; of this machine's when empty. */
  platforms: readonly Platform[];
  allPlatforms: boolean;
  /** Leaves manifest.json out. */
  skipCompatibilityManifest: boolean;
  /** Leaves layers out that may not be distributed. */
  skipNonDistributable: boolean;
}

interface DockerItem {
  manifest: Manifest;
  names: string[];
}

/** What the archive holds. */
interface Contents {
  blobs: Map<string, Descriptor>;
  /** By the manifest's digest. */
  items: Map<string, DockerItem>;
}

/** The archive's bytes. NotFound, before the first of them, when a part is missing. */
export async function exportImages(options: ExportOptions): Promise<AsyncGenerator<Uint8Array>> {
  const contents: Contents = { blobs: new Map(), items: new Map() };
  const index: Descriptor[] = [];
  for (const { name, target } of options.images) {
    const item = await gather(options, contents, target);
    if (item) item.names.push(name);
    index.push({ ...target, annotations: { ...target.annotations, ...(tryParseReference(name) ? nameAnnotations(name) : {}) } });
  }
  return archiveOf(options, contents, index);
}

/** Notes a descriptor and what it refers to; the manifest that manifest.json tells of it. */
async function gather(options: ExportOptions, contents: Contents, descriptor: Descriptor): Promise<DockerItem | undefined> {
  const { storage, skipNonDistributable } = options;
  contents.blobs.set(descriptor.digest, descriptor);
  const document = parseManifestDocument(await storage.content.read(descriptor.digest), descriptor.mediaType);
  if (document.kind === 'index') return gatherIndex(options, contents, document.index.manifests, descriptor);
  const known = contents.items.get(descriptor.digest);
  if (known) return known;
  const { manifest } = document;
  for (const part of [manifest.config, ...manifest.layers]) {
    if (skipNonDistributable && isRestricted(part)) continue;
    storage.content.info(part.digest);
    contents.blobs.set(part.digest, part);
  }
  const item = { manifest, names: [] };
  contents.items.set(descriptor.digest, item);
  return item;
}

async function gatherIndex(
  options: ExportOptions,
  contents: Contents,
  manifests: readonly Descriptor[],
  { digest }: Descriptor,
): Promise<DockerItem | undefined> {
  const { platforms, allPlatforms } = options;
  const wanted = platforms.length > 0 ? platforms : [hostPlatform()];
  const fits = (entry: Descriptor) =>
    entry.platform === undefined || wanted.some((platform) => rank(platform, entry.platform as Platform) !== undefined);
  const chosen = allPlatforms ? manifests : manifests.filter(fits);
  if (chosen.length === 0)
    throw new EngineError('NotFound', `no manifest found for platform: not found (in the index ${digest})`, { layer: 'lifecycle' });
  const items = new Map<Descriptor, DockerItem>();
  for (const entry of chosen) {
    const item = await gather(options, contents, entry);
    if (item && !isIndexType(entry.mediaType)) items.set(entry, item);
  }
  const best = bestMatch(wanted[0] as Platform, [...items.keys()]) ?? [...items.keys()][0];
  return best && items.get(best);
}

function isRestricted({ mediaType }: Descriptor): boolean {
  return mediaType === MEDIA_TYPE.dockerForeignLayer || mediaType.includes('.nondistributable.');
}

async function* archiveOf(options: ExportOptions, { blobs, items }: Contents, index: Descriptor[]): AsyncGenerator<Uint8Array> {
  const algorithms = new Set([...blobs.keys()].map((digest) => digest.split(':', 1)[0] as string));
  for (const directory of ['blobs', ...[...algorithms].sort().map((algorithm) => `blobs/${algorithm}`)])
    yield tarHeader(tarEntry({ type: 'directory', name: directory, mode: 0o755 }));
  for (const [digest, { size }] of [...blobs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    yield tarHeader(tarEntry({ type: 'file', name: blobName(digest), mode: 0o444, size }));
    yield* createReadStream(options.storage.content.path(digest as Descriptor['digest']), { highWaterMark: 1 << 18 });
    yield tarPadding(size);
  }
  const images = !options.skipCompatibilityManifest && items.size > 0 ? [...items.values()].map(dockerImage) : undefined;
  yield* layoutDocuments(index, images);
}

function dockerImage({ manifest, names }: DockerItem): DockerImage {
  const tags = names.flatMap((name) => {
    const reference = tryParseReference(name);
    return reference ? [familiar(withDefaultTag(reference))] : [];
  });
  return {
    Config: blobName(manifest.config.digest),
    RepoTags: tags.length > 0 ? tags : null,
    Layers: manifest.layers.map(({ digest }) => blobName(digest)),
  };
}
