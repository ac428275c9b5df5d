// Pull and push for a lifecycle service without transfers, or whose transfers cannot be told where to (containerd before 2): the daemon
// speaks to the registry itself and stores and unpacks through Content, Snapshots and Diff, as containerd's own clients did then. One
// platform, layers side by side.
import { buffer } from 'node:stream/consumers';
import { EngineError } from '@berth/errdefs/engine-error';
import { CONTENT_LABEL } from '@berth/lifecycle/gc/references';
import { configLabels, manifestLabels } from '@berth/lifecycle/transfer/references';
import { chainIds, type Digest, shortDigest } from '@berth/oci/digest';
import {
  type Descriptor,
  type ImageConfig,
  isForeignLayerType,
  type Manifest,
  parseImageConfig,
  parseManifestDocument,
} from '@berth/oci/image-spec';
import { bestMatch, formatPlatform, hostPlatform, type Platform } from '@berth/oci/platform';
import { parseReference, type Reference } from '@berth/oci/reference';
import { anonymous } from '@berth/oci/registry/credentials';
import type { HostSource } from '@berth/oci/registry/host';
import { Rate } from '@berth/oci/registry/rate';
import { Repository, verified } from '@berth/oci/registry/repository';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import type { ImageServices } from './image-services.ts';
import { putName, unpackLayer } from './image-writer.ts';
import type { RegistryTransfer } from './transfer-client.ts';

type Tell = (event: string, descriptor?: Descriptor, progress?: number) => void;

export async function transferByHand(services: ImageServices, hosts: HostSource, transfer: RegistryTransfer): Promise<void> {
  const reference = parseReference(transfer.reference);
  const { credentials, onProgress, terms } = transfer;
  const source = credentials ? async () => credentials : anonymous;
  using repository = await Repository.open({ reference, hosts, credentials: source, attempts: terms.attempts });
  const tell: Tell = (event, descriptor, progress = 0) => {
    const name = descriptor === undefined ? '' : `layer-${descriptor.digest}`;
    const desc = descriptor && { ...descriptor, annotations: descriptor.annotations ?? {} };
    onProgress({ event, name, parents: [], progress, total: descriptor?.size ?? 0, ...(desc ? { desc } : {}) });
  };
  if (transfer.direction === 'push') await push(services, repository, reference, transfer, tell);
  else await services.withLease((lease) => pull(services, repository, reference, transfer, lease, tell));
}

async function pull(
  services: ImageServices,
  repository: Repository,
  reference: Reference,
  transfer: RegistryTransfer,
  lease: string,
  tell: Tell,
): Promise<void> {
  const { signal, store } = transfer;
  const rate = new Rate(transfer.terms.rate);
  const root = await repository.manifest(reference.digest ?? reference.tag ?? 'latest', { signal });
  tell('fetching image content');
  const { descriptor, bytes, manifest } = await choose(repository, root, platformOf(store.platforms?.[0]), signal);
  const configBytes = await whole(verified(manifest.config, repository.blob(manifest.config, { signal })));
  const config = parseImageConfig(configBytes);
  for (const layer of manifest.layers) tell('waiting', layer);
  const fetched = manifest.layers.map((layer) =>
    fetchLayer(services, layer, lease, rate.limit(repository.blob(layer, { signal }), signal), signal, tell),
  );
  for (const one of fetched) one.catch(() => {});
  await unpackLayers(services, lease, config, manifest.layers, fetched, tell);
  await services.put(configBytes, { lease, labels: configLabels(config, services.snapshotter) });
  await services.put(bytes, { lease, labels: manifestLabels(manifest) });
  if (descriptor.digest !== root.descriptor.digest) {
    await services.put(root.bytes, { lease, labels: { [`${CONTENT_LABEL}.m.0`]: descriptor.digest } });
  }
  await putName(services, store.name ?? transfer.reference, root.descriptor, store.labels as Record<string, string> | undefined);
}

/** Of an index, the manifest that runs here. */
async function choose(
  repository: Repository,
  root: { descriptor: Descriptor; bytes: Buffer },
  platform: Platform,
  signal: AbortSignal,
): Promise<{ descriptor: Descriptor; bytes: Buffer; manifest: Manifest }> {
  const document = parseManifestDocument(root.bytes, root.descriptor.mediaType);
  if (document.kind === 'manifest') return { ...root, manifest: document.manifest };
  const match = bestMatch(platform, document.index.manifests);
  if (!match)
    throw new EngineError('NotFound', `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, {
      layer: 'daemon',
    });
  return choose(repository, await repository.manifest(match.digest, { signal }), platform, signal);
}

async function fetchLayer(
  services: ImageServices,
  layer: Descriptor,
  lease: string,
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const counted = async function* () {
    let received = 0;
    for await (const chunk of verified(layer, bytes)) {
      yield chunk;
      received += chunk.length;
      tell('downloading', layer, received);
    }
  };
  await services.write(counted(), { lease, signal, expected: layer.digest, total: layer.size });
  tell('complete', layer);
}

async function unpackLayers(
  services: ImageServices,
  lease: string,
  config: ImageConfig,
  layers: readonly Descriptor[],
  fetched: readonly Promise<void>[],
  tell: Tell,
): Promise<void> {
  const chain = chainIds(config.rootfs.diff_ids);
  for (const [position, layer] of layers.entries()) {
    await fetched[position];
    const expected = config.rootfs.diff_ids[position] as Digest;
    const { diffId } = await unpackLayer(services, lease, chain[position - 1] ?? '', layer, expected);
    if (diffId !== expected) {
      throw new EngineError('DataLoss', `layer ${shortDigest(layer.digest)} unpacks to ${diffId}, but the image names ${expected}`, {
        layer: 'daemon',
      });
    }
    tell('extracted', layer);
  }
}

async function push(
  services: ImageServices,
  repository: Repository,
  reference: Reference,
  transfer: RegistryTransfer,
  tell: Tell,
): Promise<void> {
  const { signal, store, terms } = transfer;
  const { image } = await services.images.get({ name: store.name ?? transfer.reference });
  const target = image?.target as Descriptor | undefined;
  if (!target) throw new EngineError('NotFound', `image "${transfer.reference}": not found`, { layer: 'daemon' });
  const rate = new Rate(terms.rate);
  const [platform] = store.platforms ?? [];
  const documents = platform ? [await stored(services, target, platformOf(platform))] : await allStored(services, target);
  const last = documents.at(-1) as StoredDocument;
  for (const document of documents) {
    const { descriptor, bytes, manifest } = document;
    for (const blob of manifest ? blobsOf(manifest, terms.nondistributable === true) : []) {
      if (await repository.hasBlob(blob.digest, signal)) tell('already exists', blob);
      else {
        const source = (offset: number) => rate.limit(dataOf(services.content.read({ digest: blob.digest, offset })), signal);
        await uploadBlob(repository.upstream, blob, source, { signal, onProgress: (sent) => tell('uploading', blob, sent) });
        tell('complete', blob);
      }
    }
    const name = document === last ? (reference.tag ?? descriptor.digest) : descriptor.digest;
    await putManifest(repository.upstream, name, { mediaType: descriptor.mediaType, bytes }, signal);
  }
  tell('Completed push', last.descriptor);
}

interface StoredDocument {
  descriptor: Descriptor;
  bytes: Buffer;
  /** Undefined for an index. */
  manifest: Manifest | undefined;
}

async function* dataOf(parts: AsyncIterable<{ readonly data: Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const { data } of parts) yield data;
}

/** What a registry gets of a manifest's blobs. */
function blobsOf({ layers, config }: Manifest, nondistributable: boolean): Descriptor[] {
  return [...layers.filter((layer) => nondistributable || !isForeignLayerType(layer.mediaType) || !layer.urls?.length), config];
}

/** A manifest, or an index after all that it names. */
async function allStored(services: ImageServices, descriptor: Descriptor): Promise<StoredDocument[]> {
  const bytes = await services.read(descriptor.digest);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'manifest') return [{ descriptor, bytes, manifest: document.manifest }];
  const below: StoredDocument[] = [];
  for (const child of document.index.manifests) below.push(...(await allStored(services, child)));
  return [...below, { descriptor, bytes, manifest: undefined }];
}

async function stored(services: ImageServices, descriptor: Descriptor, platform: Platform): Promise<StoredDocument> {
  const bytes = await services.read(descriptor.digest);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'manifest') return { descriptor, bytes, manifest: document.manifest };
  const match = bestMatch(platform, document.index.manifests);
  if (!match)
    throw new EngineError('NotFound', `${descriptor.digest} has no manifest for ${formatPlatform(platform)}`, { layer: 'daemon' });
  return stored(services, match, platform);
}

function platformOf(message: { readonly os?: string; readonly architecture?: string; readonly variant?: string } | undefined): Platform {
  if (!message?.os || !message.architecture) return hostPlatform();
  return { os: message.os, architecture: message.architecture, ...(message.variant ? { variant: message.variant } : {}) };
}

async function whole(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return buffer(chunks);
}
