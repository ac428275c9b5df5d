// Docker's archive layout (manifest.json: which configuration and which layers each image has) made into what an OCI layout would have
// said: manifests, and an index of them with the images' names.
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { nameAnnotations } from '@berth/oci/image-layout';
import { type Descriptor, type Index, type Manifest, MEDIA_TYPE, parseImageConfig } from '@berth/oci/image-spec';
import { canonical, parseReference, withDefaultTag } from '@berth/oci/reference';
import { UNCOMPRESSED } from '../content/blob-labels.ts';
import type { Content } from '../content/content.ts';
import { compressionAt } from '../diff/decompress.ts';
import { type ArchiveBlobs, writeBlob } from './archive-blobs.ts';

interface Item {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[] | null;
}

/** The index's descriptor; it and the manifests are stored. With `compress`, layers that are packed nowhere yet are gzipped. */
export async function indexOfDockerArchive(
  content: Content,
  blobs: ArchiveBlobs,
  { compress }: { compress: boolean },
): Promise<Descriptor> {
  const items = parseItems(await content.read(blobs.get('manifest.json').digest));
  const manifests: Descriptor[] = [];
  for (const { Config, RepoTags, Layers } of items) {
    const config = blobs.get(Config);
    const { os, architecture, variant } = parseImageConfig(await content.read(config.digest));
    const layers: Descriptor[] = [];
    for (const name of Layers ?? []) layers.push(await layerOf(content, blobs.get(name), compress));
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.dockerManifest,
      config: { mediaType: MEDIA_TYPE.dockerConfig, ...config },
      layers,
    };
    const stored = await put(content, MEDIA_TYPE.dockerManifest, manifest);
    const descriptor = { ...stored, platform: { os, architecture, ...(variant ? { variant } : {}) } };
    const names = (RepoTags ?? []).map((tag) => canonical(withDefaultTag(parseReference(tag))));
    manifests.push(...(names.length === 0 ? [descriptor] : names.map((name) => ({ ...descriptor, annotations: nameAnnotations(name) }))));
  }
  const index: Index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
  return put(content, MEDIA_TYPE.ociIndex, index);
}

async function layerOf(content: Content, { digest, size }: { digest: Digest; size: number }, compress: boolean): Promise<Descriptor> {
  const compression = await compressionOf(content, digest);
  if (compression === 'gzip') return { mediaType: MEDIA_TYPE.dockerLayerGzip, digest, size };
  if (compression === 'zstd') return { mediaType: MEDIA_TYPE.ociLayerZstd, digest, size };
  if (!compress) return { mediaType: MEDIA_TYPE.dockerLayer, digest, size };
  const packed = content.list([`labels."${UNCOMPRESSED}"==${digest}`])[0] ?? (await gzipped(content, digest));
  return { mediaType: MEDIA_TYPE.dockerLayerGzip, digest: packed.digest, size: packed.size };
}

async function compressionOf(content: Content, digest: Digest) {
  await using blob = await content.open(digest);
  const start = Buffer.alloc(8);
  return compressionAt(start.subarray(0, await blob.read(start, 0)));
}

async function gzipped(content: Content, digest: Digest) {
  const packed = Readable.from(chunksOf(content, digest), { objectMode: false }).pipe(createGzip()) as AsyncIterable<Buffer>;
  return writeBlob(content, packed, { labels: { [UNCOMPRESSED]: digest } });
}

async function* chunksOf(content: Content, digest: Digest): AsyncGenerator<Buffer> {
  await using blob = await content.open(digest);
  for (let at = 0; at < blob.size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(256 << 10, blob.size - at));
    const length = await blob.read(buffer, at);
    yield buffer.subarray(0, length);
    at += length;
  }
}

async function put(content: Content, mediaType: string, document: Manifest | Index): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  return { mediaType, digest: await content.put(bytes), size: bytes.length };
}

function parseItems(bytes: Buffer): Item[] {
  const malformed = (what: string) => new EngineError('InvalidArgument', `manifest.json of the archive: ${what}`, { layer: 'lifecycle' });
  let items: unknown;
  try {
    items = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw malformed((cause as Error).message);
  }
  const strings = (value: unknown) => value == null || (Array.isArray(value) && value.every((each) => typeof each === 'string'));
  if (!Array.isArray(items)) throw malformed('it is not a list');
  for (const item of items as (Partial<Item> | null)[]) {
    if (typeof item?.Config !== 'string' || !strings(item.RepoTags) || !strings(item.Layers))
      throw malformed('an item has no Config, or RepoTags or Layers that are no lists of strings');
  }
  return items as Item[];
}
