// POST /images/{name}/push: has the lifecycle service push a tag, or every tag of a repository, and tells it in Docker's words.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { shortDigest } from '@berth/oci/digest';
import { canonical, canonicalName, familiar, familiarName, parseReference, type Reference, sameRepository } from '@berth/oci/reference';
import type { Credentials } from '@berth/oci/registry/credentials';
import type { Descriptor } from '@berth/rpc/gen/containerd/types/descriptor';
import type { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import type { Image } from './image.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { isDanglingName, putName } from './image-writer.ts';
import { bytesMessage, type ProgressSink } from './progress-output.ts';
import { transferImage } from './transfer-client.ts';

export interface PushRequest {
  /** Without a tag: all tags of the repository. */
  reference: Reference;
  credentials: Credentials | undefined;
  trace?: string;
  signal: AbortSignal;
}

export async function pushImage(context: ImageContext, request: PushRequest, write: ProgressSink): Promise<void> {
  const { reference } = request;
  write({ status: `The push refers to repository [${canonicalName(reference)}]` });
  const tags = tagsOf(context, reference);
  if (tags.length === 0)
    throw new EngineError('NotFound', `An image does not exist locally with the tag: ${familiarName(reference)}`, { layer: 'daemon' });
  const chosen = reference.tag === undefined ? tags : tags.filter((tag) => tag.tag === reference.tag);
  if (chosen.length === 0) throw new EngineError('NotFound', `tag does not exist: ${familiar(reference)}`, { layer: 'daemon' });
  for (const tag of chosen) await pushOne(context, request, tag, write);
}

async function pushOne(context: ImageContext, request: PushRequest, reference: Reference, write: ProgressSink): Promise<void> {
  const { services, catalog, hosts } = context;
  const name = canonical(reference);
  const image = catalog.named(name) as Image;
  const words = new PushWords(image, write);
  const { os, architecture, variant = '' } = image.config;
  try {
    await transferImage(services, hosts, {
      direction: 'push',
      reference: name,
      store: { name, platforms: [{ os, architecture, variant }] },
      hostDirectory: await hosts.directoryFor(name),
      credentials: request.credentials,
      onProgress: (progress) => words.tell(progress),
      ...(request.trace ? { trace: request.trace } : {}),
      signal: request.signal,
    });
  } catch (error) {
    throw worded(error);
  }
  const pushed = words.pushed ?? { ...image.manifest, annotations: {} };
  const { domain, path, tag = 'latest' } = reference;
  await putName(services, canonical({ domain, path, digest: pushed.digest as Image['id'] }), {
    ...pushed,
    digest: pushed.digest as Image['id'],
  });
  await catalog.refresh();
  write({ status: `${tag}: digest: ${pushed.digest} size: ${pushed.size}` });
  write({ progressDetail: {}, aux: { Tag: tag, Digest: pushed.digest, Size: pushed.size } });
  emitImageEvent(context, 'push', familiar(reference), image, familiarName(reference));
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
  /** Layers are called by their diff ids here, as dockerd does. */
  readonly #ids: ReadonlyMap<string, string>;
  pushed: Descriptor | undefined;

  constructor(image: Image, write: ProgressSink) {
    this.#write = write;
    this.#ids = new Map(
      image.layers.map((layer, position) => [layer.digest, shortDigest(image.config.rootfs.diff_ids[position] ?? layer.digest)]),
    );
  }

  tell({ event, name, progress, total, desc }: Progress): void {
    if (event.startsWith('Completed push')) this.pushed = desc;
    const id = this.#ids.get(name.replace(/^layer-/, ''));
    if (id === undefined) return;
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
      case 'mounted':
        this.#write({ status: 'Mounted from another repository', progressDetail: {}, id });
        break;
      case 'already exists':
        this.#write({ status: 'Layer already exists', progressDetail: {}, id });
        break;
    }
  }
}

function worded(thrown: unknown): EngineError {
  const error = toEngineError(thrown);
  if (error.kind !== 'PermissionDenied' && error.kind !== 'Unauthenticated') return error;
  const text = /^(denied|unauthorized|no basic auth credentials)/.test(error.message) ? error.message : `denied: ${error.message}`;
  return new EngineError(error.kind, text, { layer: error.layer, cause: error });
}
