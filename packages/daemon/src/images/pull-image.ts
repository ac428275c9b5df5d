// POST /images/create?fromImage=: has the lifecycle service pull, tells it in Docker's words, and names the result by its digest too.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { shortDigest } from '@berth/oci/digest';
import { formatPlatform, hostPlatform, type Platform, parsePlatform } from '@berth/oci/platform';
import { canonical, familiar, familiarName, type Reference } from '@berth/oci/reference';
import { anonymous, type Credentials } from '@berth/oci/registry/credentials';
import { Repository } from '@berth/oci/registry/repository';
import type { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import { PLATFORM_LABEL } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { putName } from './image-writer.ts';
import { bytesMessage, type ProgressSink } from './progress-output.ts';
import { keepUnnamed } from './tag-image.ts';
import { transferImage } from './transfer-client.ts';

export interface PullRequest {
  reference: Reference;
  /** `linux/arm64`; '' for the host's. */
  platform: string;
  credentials: Credentials | undefined;
  /** Bytes a second. */
  rate?: number | undefined;
  trace?: string;
  signal: AbortSignal;
}

/** Pulls one tag or digest, or every tag of a repository when the reference names neither. */
export async function pullImage(context: ImageContext, request: PullRequest, write: ProgressSink): Promise<void> {
  const { reference } = request;
  const platform = request.platform === '' ? undefined : parsePlatform(request.platform);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    await pullOne(context, request, reference, platform, write);
    return;
  }
  for (const tag of await tagsOf(context, request)) await pullOne(context, request, { ...reference, tag }, platform, write);
}

async function pullOne(
  context: ImageContext,
  request: PullRequest,
  reference: Reference,
  platform: Platform | undefined,
  write: ProgressSink,
): Promise<void> {
  const { services, catalog, hosts } = context;
  const name = canonical(reference);
  const before = catalog.named(name);
  const words = new PullWords(reference, write);
  const wanted = platform ?? hostPlatform();
  try {
    await transferImage(services, hosts, {
      direction: 'pull',
      reference: name,
      store: {
        name,
        labels: platform === undefined ? {} : { [PLATFORM_LABEL]: formatPlatform(wanted) },
        platforms: [wanted],
        unpacks: [{ platform: wanted, snapshotter: services.snapshotter }],
      },
      hostDirectory: await hosts.directoryFor(name),
      credentials: request.credentials,
      onProgress: (progress) => words.tell(progress),
      terms: hosts.terms('pull', name, request.rate),
      ...(request.trace ? { trace: request.trace } : {}),
      signal: request.signal,
    });
  } catch (error) {
    throw worded(error, reference);
  }
  await catalog.refresh();
  const target = catalog.target(name);
  if (!target)
    throw new EngineError('Internal', `the image ${familiar(reference)} was pulled, but the lifecycle service does not list it`, {
      layer: 'daemon',
    });
  const { domain, path } = reference;
  if (reference.digest === undefined)
    await putName(
      services,
      canonical({ domain, path, digest: target.digest }),
      target,
      platform ? { [PLATFORM_LABEL]: formatPlatform(wanted) } : {},
    );
  await catalog.refresh();
  const after = catalog.named(name);
  if (after) await keepUnnamed(context, before, after);
  write({ status: `Digest: ${target.digest}` });
  write({
    status: `Status: ${before !== undefined && before.id === after?.id ? 'Image is up to date' : 'Downloaded newer image'} for ${familiar(reference)}`,
  });
  emitImageEvent(context, 'pull', familiar(reference), after, familiarName(reference));
}

async function tagsOf(context: ImageContext, { reference, credentials, signal }: PullRequest): Promise<string[]> {
  const source = credentials === undefined ? anonymous : async () => credentials;
  try {
    using repository = await Repository.open({ reference, hosts: context.hosts, credentials: source });
    return await repository.tags(signal);
  } catch (error) {
    throw worded(error, reference);
  }
}

/** The lifecycle service's progress in the words of dockerd. */
class PullWords {
  readonly #reference: Reference;
  readonly #write: ProgressSink;
  /** Layers that have been told as begun. */
  readonly #begun = new Set<string>();
  readonly #ended = new Set<string>();
  #announced = false;

  constructor(reference: Reference, write: ProgressSink) {
    this.#reference = reference;
    this.#write = write;
  }

  tell({ event, name, progress, total }: Progress): void {
    if (event === 'fetching image content') this.#announce();
    if (!name.startsWith('layer-')) return;
    this.#announce();
    const digest = name.slice('layer-'.length) as Digest;
    const id = shortDigest(digest);
    if (this.#ended.has(id)) return;
    if (!this.#begun.has(id)) {
      this.#begun.add(id);
      if (event !== 'already exists') this.#write({ status: 'Pulling fs layer', progressDetail: {}, id });
    }
    this.#step(id, event, progress, total);
  }

  #step(id: string, event: string, progress: number, total: number): void {
    switch (event) {
      case 'downloading':
        this.#write(bytesMessage(id, 'Downloading', progress, total));
        break;
      case 'complete':
        this.#write({ status: 'Verifying Checksum', progressDetail: {}, id });
        this.#write({ status: 'Download complete', progressDetail: {}, id });
        break;
      case 'extracting':
        this.#write(bytesMessage(id, 'Extracting', progress, total));
        break;
      case 'extracted':
        this.#ended.add(id);
        this.#write({ status: 'Pull complete', progressDetail: {}, id });
        break;
      case 'already exists':
        this.#ended.add(id);
        this.#write({ status: 'Already exists', progressDetail: {}, id });
        break;
    }
  }

  /** Not before the manifest was found: what fails until then is an error status. */
  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    const { tag, digest, path } = this.#reference;
    this.#write({ status: `Pulling from ${path}`, id: digest ?? tag ?? 'latest' });
  }
}

/** Errors of a registry as dockerd words them; its CLI and scripts match on these. */
export function worded(thrown: unknown, reference: Reference): EngineError {
  const error = toEngineError(thrown);
  const text = error.message;
  const make = (kind: EngineError['kind'], message: string) =>
    new EngineError(kind, message, { layer: error.layer ?? 'lifecycle', cause: error });
  if (/^(manifest unknown|not found):/.test(text)) return make('NotFound', `manifest for ${familiar(reference)} not found: ${text}`);
  if (/^name unknown:/.test(text)) return make('NotFound', `repository ${familiarName(reference)} not found: ${text}`);
  if (/^(denied|unauthorized):/.test(text) && error.kind !== 'NotFound') {
    const denied = `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${text}`;
    return make('NotFound', denied);
  }
  if (error.kind === 'Unauthenticated' && text === 'no basic auth credentials')
    return make(
      'Internal',
      `Head "https://${reference.domain}/v2/${reference.path}/manifests/${reference.digest ?? reference.tag ?? 'latest'}": ${text}`,
    );
  // The registry cannot be reached or misbehaves: the daemon itself is well, which 503 would deny.
  return error.kind === 'Unavailable' || error.kind === 'Unauthenticated' || error.kind === 'PermissionDenied'
    ? make('Internal', text)
    : error;
}
