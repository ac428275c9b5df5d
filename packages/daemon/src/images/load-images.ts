// POST /images/load: images from an archive in either of docker's forms: layers in directories of their own (before version 25) or
// an OCI layout, both with a manifest.json that says which image has which configuration and layers. An OCI layout without
// manifest.json is read through its index.json.
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { checkShape, type Shape } from '@berth/api/shape';
import { EngineError } from '@berth/errdefs/engine-error';
import { chainIds, type Digest, shortDigest } from '@berth/oci/digest';
import {
  type Descriptor,
  type ImageConfig,
  isConfigType,
  type Manifest,
  MEDIA_TYPE,
  parseImageConfig,
  parseManifestDocument,
} from '@berth/oci/image-spec';
import { canonical, familiar, parseReference, type Reference, withDefaultTag } from '@berth/oci/reference';
import { tarMembers } from '@berth/oci/tar/members';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { layerTypeOf, saveImage, unpackLayer } from './image-writer.ts';
import type { ProgressSink } from './progress-output.ts';
import { keepUnnamed } from './tag-image.ts';
import { uncompressed } from './uncompressed.ts';

/** Documents up to this size are kept at hand while the archive is read; everything else is only stored. */
const DOCUMENT_LIMIT = 4 << 20;

interface Stored {
  digest: Digest;
  size: number;
  /** By its first bytes; meaningful for layers. */
  mediaType: string;
  /** The content, when it is small enough to be a document. */
  bytes: Buffer | undefined;
}

interface ManifestItem {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[] | null;
}

const MANIFEST_ITEM: Shape = { fields: { Config: 'string', RepoTags: { list: 'string' }, Layers: { list: 'string' } } };

export interface LoadRequest {
  archive: AsyncIterable<Uint8Array>;
  quiet: boolean;
  signal: AbortSignal;
}

export async function loadImages(context: ImageContext, { archive, quiet, signal }: LoadRequest, write: ProgressSink): Promise<void> {
  const { services } = context;
  await services.withLease(async (lease) => {
    const files = await storeFiles(context, lease, archive, signal);
    const items = itemsOf(files);
    if (items.length === 0)
      throw new EngineError(
        'InvalidArgument',
        'the archive holds no image: it has neither manifest.json nor an index.json with manifests',
        { layer: 'daemon' },
      );
    // What is wrong with any of them is said before the first gets its name.
    const plans = items.map((item) => planOf(files, item));
    for (const plan of plans) await loadOne(context, lease, plan, quiet ? () => {} : write, write);
  });
}

interface Plan {
  /** The configuration's own bytes: their digest is the image's id. */
  configBytes: Buffer;
  config: ImageConfig;
  layers: Stored[];
  references: Reference[];
}

function planOf(files: Archive, item: ManifestItem): Plan {
  const { bytes: configBytes } = files.get(item.Config);
  if (!configBytes)
    throw new EngineError('InvalidArgument', `${item.Config} is too large to be an image configuration`, { layer: 'daemon' });
  const config = parseImageConfig(configBytes);
  const layers = (item.Layers ?? []).map((name) => files.get(name));
  if (layers.length !== config.rootfs.diff_ids.length) {
    throw new EngineError(
      'InvalidArgument',
      `invalid manifest, layers length mismatch: expected ${config.rootfs.diff_ids.length}, got ${layers.length}`,
      { layer: 'daemon' },
    );
  }
  return { configBytes, config, layers, references: (item.RepoTags ?? []).map((name) => withDefaultTag(parseReference(name))) };
}

async function loadOne(context: ImageContext, lease: string, plan: Plan, progress: ProgressSink, write: ProgressSink): Promise<void> {
  const { services, catalog } = context;
  const { configBytes, config, layers, references } = plan;
  await unpackAll(context, lease, config, layers, progress);
  const before = references.map((reference) => catalog.named(canonical(reference)));
  const saved = await saveImage(services, lease, { config: configBytes, layers, names: references.map(canonical) });
  for (const image of before) await keepUnnamed(context, image, saved);
  await catalog.refresh();
  const image = catalog.get(saved.id);
  for (const reference of references) write({ stream: `Loaded image: ${familiar(reference)}\n` });
  if (references.length === 0) write({ stream: `Loaded image ID: ${saved.id}\n` });
  emitImageEvent(context, 'load', saved.id, image, saved.id);
}

async function unpackAll(
  context: ImageContext,
  lease: string,
  config: ImageConfig,
  layers: readonly Descriptor[],
  progress: ProgressSink,
): Promise<void> {
  const chain = chainIds(config.rootfs.diff_ids);
  for (const [position, layer] of layers.entries()) {
    const expected = config.rootfs.diff_ids[position] as Digest;
    const id = shortDigest(expected);
    const { diffId, existed } = await unpackLayer(context.services, lease, chain[position - 1] ?? '', layer, expected);
    if (diffId !== expected) {
      throw new EngineError('InvalidArgument', `invalid diffID for layer ${position}: expected "${expected}", got "${diffId}"`, {
        layer: 'daemon',
      });
    }
    if (!existed) progress({ status: 'Loading layer', progressDetail: { current: layer.size, total: layer.size }, id });
  }
}

/** Everything in the archive, stored as blobs. Names are only looked up, never used as paths. */
class Archive {
  readonly #files = new Map<string, Stored>();
  readonly #links = new Map<string, string>();

  add(name: string, stored: Stored): void {
    this.#files.set(posix.normalize(name), stored);
  }

  link(name: string, target: string): void {
    this.#links.set(posix.normalize(name), posix.normalize(target));
  }

  find(name: string): Stored | undefined {
    const path = posix.normalize(name);
    // Old archives say with a symbolic link that two images share a layer.
    return this.#files.get(path) ?? this.#files.get(this.#links.get(path) ?? '');
  }

  get(name: string): Stored {
    const stored = this.find(name);
    if (!stored) throw new EngineError('InvalidArgument', `the archive names ${name}, but does not hold it`, { layer: 'daemon' });
    return stored;
  }
}

async function storeFiles(context: ImageContext, lease: string, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Archive> {
  const files = new Archive();
  for await (const { entry, data } of tarMembers(uncompressed(archive))) {
    if (entry.type === 'symlink') files.link(entry.name, posix.join(posix.dirname(entry.name), entry.linkName));
    if (entry.type === 'hardlink') files.link(entry.name, entry.linkName);
    if (entry.type !== 'file') continue;
    if (entry.size <= DOCUMENT_LIMIT) {
      const bytes = await buffer(data);
      const digest = await context.services.put(bytes, { lease });
      files.add(entry.name, { digest, size: bytes.length, mediaType: layerTypeOf(bytes), bytes });
    } else {
      let head = Buffer.alloc(0);
      const watched = async function* () {
        for await (const chunk of data) {
          if (head.length < 8) head = Buffer.concat([head, chunk.subarray(0, 8)]);
          yield chunk;
        }
      };
      const written = await context.services.write(watched(), { lease, signal });
      files.add(entry.name, { ...written, mediaType: layerTypeOf(head), bytes: undefined });
    }
  }
  return files;
}

function itemsOf(files: Archive): ManifestItem[] {
  const manifest = files.find('manifest.json')?.bytes;
  if (manifest) return checkItems(parse(manifest, 'manifest.json'));
  const index = files.find('index.json')?.bytes;
  if (!index) return [];
  const document = parseManifestDocument(index, MEDIA_TYPE.ociIndex);
  return document.kind === 'index' ? document.index.manifests.flatMap((descriptor) => itemOf(files, descriptor)) : [];
}

function checkItems(value: unknown): ManifestItem[] {
  checkShape(value, { list: MANIFEST_ITEM }, 'manifest.json');
  const items = (value ?? []) as (ManifestItem | null)[];
  return items.map((item, position) => {
    if (typeof item?.Config !== 'string') {
      throw new EngineError('InvalidArgument', `manifest.json of the archive: item ${position} names no Config`, { layer: 'daemon' });
    }
    return item;
  });
}

function itemOf(files: Archive, descriptor: Descriptor): ManifestItem[] {
  const bytes = files.find(blobPath(descriptor.digest))?.bytes;
  if (!bytes) return [];
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'index')
    return document.index.manifests.flatMap((child) => itemOf(files, { ...child, annotations: descriptor.annotations }));
  const { config, layers }: Manifest = document.manifest;
  if (!isConfigType(config.mediaType)) return [];
  const name = descriptor.annotations?.['io.containerd.image.name'];
  return [
    {
      Config: blobPath(config.digest),
      RepoTags: name === undefined ? null : [name],
      Layers: layers.map((layer) => blobPath(layer.digest)),
    },
  ];
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function parse(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${name} of the archive is not JSON: ${(cause as Error).message}`, { layer: 'daemon', cause });
  }
}
