// Which images an archive holds, in either of docker's forms: layers in directories of their own under a manifest.json (before version
// 25), or an OCI layout with its index.json, whose manifests are kept as they are, so that they have the same digests afterwards.
// Nothing is stored here: what is wrong with any image of an archive is said before the first gets its name.
import { checkShape, type Shape } from '@berth/api/shape';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { blobName, IMAGE_NAME, REF_NAME } from '@berth/oci/image-layout';
import {
  attests,
  type Descriptor,
  type ImageConfig,
  type Index,
  isConfigType,
  isLayerType,
  type Manifest,
  MEDIA_TYPE,
  parseImageConfig,
  parseManifestDocument,
} from '@berth/oci/image-spec';
import { bestMatch, formatPlatform, hostPlatform, normalize, type Platform, rank } from '@berth/oci/platform';
import { parseReference, type Reference, tryParseReference, withDefaultTag } from '@berth/oci/reference';
import type { Archive } from './load-archive.ts';
import { wrongDiffId } from './unpack-layers.ts';

export interface LoadPlan {
  /** The configuration's own bytes: their digest is the image's id. */
  configBytes: Buffer;
  config: ImageConfig;
  layers: Descriptor[];
  references: Reference[];
  /** The manifest of an OCI layout; undefined: one is to be made. */
  manifest: Descriptor | undefined;
  /** What the names are to stand for, when that is an index with the manifest in it. */
  index: Descriptor | undefined;
  /** Manifests and indexes below and beside the image's own, which are kept as they are. */
  documents: readonly StoredDocument[];
}

/** A manifest or index whose bytes are stored, and what the garbage collector is to find through it. */
export interface StoredDocument {
  descriptor: Descriptor;
  bytes: Buffer;
  content: { kind: 'manifest'; manifest: Manifest } | { kind: 'index'; index: Index };
}

interface ManifestItem {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[] | null;
}

const MANIFEST_ITEM: Shape = { fields: { Config: 'string', RepoTags: { list: 'string' }, Layers: { list: 'string' } } };

/** One plan an image; of an index, the image for the first of `platforms` that is there, or for this host. */
export function loadPlans(files: Archive, platforms: readonly Platform[]): LoadPlan[] {
  const items = itemsOf(files);
  const fromLayout = layoutEntries(files).flatMap((entry) => layoutPlan(files, entry, items, platforms) ?? []);
  if (fromLayout.length > 0) return fromLayout;
  const plans = items.map((item) => itemPlan(files, item));
  if (plans.length === 0)
    throw new EngineError('InvalidArgument', 'the archive holds no image: it has neither manifest.json nor an index.json with manifests', {
      layer: 'daemon',
    });
  for (const { config, references } of plans) if (platforms.length > 0) checkPlatform(config, references, platforms);
  return plans;
}

function itemsOf(files: Archive): ManifestItem[] {
  const bytes = files.find('manifest.json')?.bytes;
  if (!bytes) return [];
  const value = parse(bytes, 'manifest.json');
  checkShape(value, { list: MANIFEST_ITEM }, 'manifest.json');
  return ((value ?? []) as (ManifestItem | null)[]).map((item, position) => {
    if (typeof item?.Config !== 'string') {
      throw new EngineError('InvalidArgument', `manifest.json of the archive: item ${position} names no Config`, { layer: 'daemon' });
    }
    return item;
  });
}

function itemPlan(files: Archive, item: ManifestItem): LoadPlan {
  const configBytes = configIn(files.get(item.Config).bytes, item.Config);
  const config = parseImageConfig(configBytes);
  const layers = (item.Layers ?? []).map((name) => files.get(name));
  checkLayers(layers, config);
  const references = (item.RepoTags ?? []).map((name) => withDefaultTag(parseReference(name)));
  return { configBytes, config, layers, references, manifest: undefined, index: undefined, documents: [] };
}

/** The entries of index.json, those of one manifest under several names put together. */
function layoutEntries(files: Archive): Descriptor[] {
  const bytes = files.find('index.json')?.bytes;
  if (!bytes) return [];
  const document = parseManifestDocument(bytes, MEDIA_TYPE.ociIndex);
  return document.kind === 'index' ? document.index.manifests : [];
}

/** Undefined for an entry that is no image, or whose manifest the archive does not hold. */
function layoutPlan(
  files: Archive,
  entry: Descriptor,
  items: readonly ManifestItem[],
  platforms: readonly Platform[],
): LoadPlan | undefined {
  const documents = documentsOf(files, entry);
  const [root] = documents;
  if (!root) return undefined;
  const images = documents.flatMap(({ descriptor, bytes, content }) =>
    content.kind === 'manifest' && isConfigType(content.manifest.config.mediaType) && attests(descriptor) === undefined
      ? [{ descriptor, bytes, manifest: content.manifest }]
      : [],
  );
  const readable = images.flatMap((image) => {
    const configBytes = files.document(image.manifest.config);
    if (!configBytes) return [];
    const config = parseImageConfig(configBytes);
    return [{ ...image, configBytes, config, platform: platformOf(config) }];
  });
  const wanted = platforms.length > 0 ? platforms : [hostPlatform()];
  const chosen = wanted.map((platform) => bestMatch(platform, readable)).find((one) => one !== undefined);
  const image = chosen ?? (platforms.length === 0 ? readable[0] : undefined);
  if (!image) {
    if (readable.length === 0) return undefined;
    throw noSuchPlatform(
      nameOf(entry) ?? entry.digest,
      readable.map(({ platform }) => platform),
      platforms,
    );
  }
  const archives = image.manifest.layers.filter((layer) => isLayerType(layer.mediaType));
  const layers = archives.map((layer) => plain(files.blob(layer)));
  checkLayers(layers, image.config);
  return {
    configBytes: image.configBytes,
    config: image.config,
    layers,
    references: referencesOf(entry, image.manifest.config, items),
    manifest: plain(image.descriptor),
    index: root.content.kind === 'index' && platforms.length === 0 ? plain(root.descriptor) : undefined,
    documents: documents.filter(
      ({ descriptor, content }) =>
        descriptor === image.descriptor || (platforms.length === 0 && (content.kind === 'index' || isWhole(files, content.manifest))),
    ),
  };
}

/** The entry's document and those below it that the archive holds, outermost first. */
function documentsOf(files: Archive, descriptor: Descriptor, depth = 0): StoredDocument[] {
  const bytes = files.document(descriptor);
  if (!bytes || depth > 4) return [];
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'manifest') return [{ descriptor, bytes, content: document }];
  const below = document.index.manifests.flatMap((child) => documentsOf(files, child, depth + 1));
  return [{ descriptor, bytes, content: document }, ...below];
}

/** False for a platform of which the archive holds the manifest alone. */
function isWhole(files: Archive, { config, layers }: Manifest): boolean {
  return [config, ...layers].every((blob) => files.find(blobName(blob.digest)) !== undefined && files.blob(blob));
}

/** By the annotations of index.json (containerd's, then the layout specification's), and by manifest.json beside it. */
function referencesOf(entry: Descriptor, config: Descriptor, items: readonly ManifestItem[]): Reference[] {
  const name = nameOf(entry);
  const tags = items.filter((item) => item.Config === blobName(config.digest)).flatMap((item) => item.RepoTags ?? []);
  const all = [...(name === undefined ? tags : [name])].map((text) => withDefaultTag(parseReference(text)));
  return all.filter((one, position) => all.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === position);
}

function nameOf({ annotations = {} }: Descriptor): string | undefined {
  const name = annotations[IMAGE_NAME];
  const ref = annotations[REF_NAME];
  // A layout's own name is often only a tag, which names nothing outside of it.
  return name ?? (ref !== undefined && /[/:]/.test(ref) && tryParseReference(ref) ? ref : undefined);
}

function checkPlatform(config: ImageConfig, references: readonly Reference[], platforms: readonly Platform[]): void {
  const own = platformOf(config);
  if (platforms.some((platform) => rank(platform, own) !== undefined)) return;
  throw noSuchPlatform(references[0]?.path ?? 'the image', [own], platforms);
}

function noSuchPlatform(name: string, offered: readonly Platform[], wanted: readonly Platform[]): EngineError {
  return new EngineError(
    'NotFound',
    `the archive holds ${name} for ${offered.map(formatPlatform).join(', ')}, but not for the specified platform (${wanted.map(formatPlatform).join(', ')})`,
    { layer: 'daemon' },
  );
}

/** That each layer has its bytes is known of plain ones; of others when they are unpacked. */
function checkLayers(layers: readonly Descriptor[], { rootfs }: ImageConfig): void {
  if (layers.length !== rootfs.diff_ids.length) {
    throw new EngineError(
      'InvalidArgument',
      `invalid manifest, layers length mismatch: expected ${rootfs.diff_ids.length}, got ${layers.length}`,
      {
        layer: 'daemon',
      },
    );
  }
  for (const [position, { digest, mediaType }] of layers.entries()) {
    const expected = rootfs.diff_ids[position] as Digest;
    if (mediaType === MEDIA_TYPE.dockerLayer && digest !== expected) throw wrongDiffId(position, expected, digest);
  }
}

function configIn(bytes: Buffer | undefined, name: string): Buffer {
  if (bytes) return bytes;
  throw new EngineError('InvalidArgument', `${name} is too large to be an image configuration`, { layer: 'daemon' });
}

function platformOf({ os, architecture, variant }: ImageConfig): Platform {
  return normalize({ os, architecture, ...(variant ? { variant } : {}) });
}

/** Without the annotations that name it in index.json. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function parse(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${name} of the archive is not JSON: ${(cause as Error).message}`, { layer: 'daemon', cause });
  }
}
