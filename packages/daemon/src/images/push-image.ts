// POST /images/{name}/push: has the lifecycle service push a tag, or every tag of a repository, and tells it in Docker's words.
// An index of which everything is here goes as a whole, attestations included; otherwise the manifest that was pulled goes alone.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { shortDigest } from '@berth/oci/digest';
import { type Descriptor, isIndexType } from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import { canonical, canonicalName, familiar, familiarName, parseReference, type Reference, sameRepository } from '@berth/oci/reference';
import type { Credentials } from '@berth/oci/registry/credentials';
import type { Descriptor as DescriptorMessage } from '@berth/rpc/gen/containerd/types/descriptor';
import type { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import type { Image } from './image.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { manifestParts } from './image-manifests.ts';
import { isDanglingName, putName } from './image-writer.ts';
import { bytesMessage, type ProgressSink } from './progress-output.ts';
import { transferImage } from './transfer-client.ts';

export interface PushRequest {
  /** Without a tag: all tags of the repository. */
  reference: Reference;
  /** Only the manifest for it. */
  platform?: Platform | undefined;
  credentials: Credentials | undefined;
  /** Bytes a second. */
  rate?: number | undefined;
  trace?: string;
  signal: AbortSignal;
}

export async function pushImage(context: ImageContext, request: PushRequest, write: ProgressSink): Promise<void> {
  const { reference, platform } = request;
  const tags = tagsOf(context, reference);
  const chosen = reference.tag === undefined ? tags : tags.filter((tag) => tag.tag === reference.tag);
  // This much is said as the answer's status, before anything is sent.
  if (platform) for (const tag of chosen) await context.catalog.forPlatform(imageOf(context, tag), platform, familiar(tag));
  write({ status: `The push refers to repository [${canonicalName(reference)}]` });
  if (tags.length === 0)
    throw new EngineError('NotFound', `An image does not exist locally with the tag: ${familiarName(reference)}`, { layer: 'daemon' });
  if (chosen.length === 0) throw new EngineError('NotFound', `tag does not exist: ${familiar(reference)}`, { layer: 'daemon' });
  for (const tag of chosen) await pushOne(context, request, tag, write);
}

async function pushOne(context: ImageContext, request: PushRequest, reference: Reference, write: ProgressSink): Promise<void> {
  const { services, catalog, hosts } = context;
  const name = canonical(reference);
  const image = imageOf(context, reference);
  const target = catalog.target(name) ?? image.manifest;
  const platforms = await platformsToPush(context, image, target, request.platform);
  const words = new PushWords(image, write);
  try {
    await transferImage(services, hosts, {
      direction: 'push',
      reference: name,
      store: { name, platforms: platforms.map(({ os, architecture, variant = '' }) => ({ os, architecture, variant })) },
      hostDirectory: await hosts.directoryFor(name),
      credentials: request.credentials,
      onProgress: (progress) => words.tell(progress),
      terms: hosts.terms('push', name, request.rate),
      ...(request.trace ? { trace: request.trace } : {}),
      signal: request.signal,
    });
  } catch (error) {
    throw worded(error);
  }
  const pushed = { ...(words.pushed ?? { ...image.manifest, annotations: {} }) } as Descriptor;
  const { domain, path, tag = 'latest' } = reference;
  await putName(services, canonical({ domain, path, digest: pushed.digest }), pushed, catalog.labels(image));
  await catalog.refresh();
  write({ status: `${tag}: digest: ${pushed.digest} size: ${pushed.size}` });
  write({ progressDetail: {}, aux: { Tag: tag, Digest: pushed.digest, Size: pushed.size } });
  if (isIndexType(target.mediaType) && pushed.digest !== target.digest && !request.platform) {
    write({ progressDetail: {}, aux: { manifestPushedInsteadOfIndex: true, originalIndex: target, selectedManifest: pushed } });
  }
  emitImageEvent(context, 'push', familiar(reference), image, familiarName(reference));
}

/** None for all that the target stands for. */
async function platformsToPush(
  context: ImageContext,
  image: Image,
  target: Descriptor,
  wanted: Platform | undefined,
): Promise<readonly Platform[]> {
  if (wanted) return [wanted];
  const parts = await manifestParts(context.services, target);
  if (parts.every(({ available }) => available)) return [];
  const { os, architecture, variant } = image.config;
  return [{ os, architecture, ...(variant === undefined ? {} : { variant }) }];
}

function imageOf(context: ImageContext, reference: Reference): Image {
  return context.catalog.named(canonical(reference)) as Image;
}

function tagsOf(context: ImageContext, repository: Reference): Reference[] {
  const names = context.catalog
    .all()
    .flatMap((image) => image.names)
    .filter((name) => !isDanglingName(name));
  return names.map(parseReference).filter((reference) => reference.tag !== undefined && sameRepository(reference, repository));
}

class PushWords {
  readonly #write: ProgressSink;
  /** Layers are called by their diff ids here, as dockerd does; those of an index's other images by their digests. */
  readonly #ids: ReadonlyMap<string, string>;
  pushed: DescriptorMessage | undefined;

  constructor(image: Image, write: ProgressSink) {
    this.#write = write;
    this.#ids = new Map(
      image.layers.map((layer, position) => [layer.digest, shortDigest(image.config.rootfs.diff_ids[position] ?? layer.digest)]),
    );
  }

  tell({ event, name, progress, total, desc }: Progress): void {
    if (event.startsWith('Completed push')) this.pushed = desc;
    const digest = /^layer-(sha\d+:[0-9a-f]+)$/.exec(name)?.[1] as Image['id'] | undefined;
    if (digest === undefined) return;
    const id = this.#ids.get(digest) ?? shortDigest(digest);
    switch (event) {
      case 'waiting':
        this.#write({ status: 'Preparing', progressDetail: {}, id });
        break;
      case 'uploading':
        this.#write(bytesMessage(id, 'Pushing', progress, total));
        break;
      case 'complete':
        this.#write({ status: 'Pushed', progressDetail: {}, id });
        break;
      case 'already exists':
        this.#write({ status: 'Layer already exists', progressDetail: {}, id });
        break;
      default:
        if (event.startsWith('mounted from ')) this.#write({ status: event.replace('m', 'M'), progressDetail: {}, id });
    }
  }
}

function worded(thrown: unknown): EngineError {
  const error = toEngineError(thrown);
  if (error.kind !== 'PermissionDenied' && error.kind !== 'Unauthenticated') return error;
  const text = /^(denied|unauthorized|no basic auth credentials)/.test(error.message) ? error.message : `denied: ${error.message}`;
  return new EngineError(error.kind, text, { layer: error.layer, cause: error });
}
