// The daemon's picture of the images in the lifecycle service: names grouped by image, and lookup by whatever people type. The
// lifecycle service holds the truth; what is kept here is read from it at start and again whenever it says that images changed.
import { EngineError, isKind, toEngineError } from '@berth/errdefs/engine-error';
import { chainIds, type Digest, isDigest } from '@berth/oci/digest';
import { type Descriptor, isIndexType, isLayerType, parseImageConfig, parseManifestDocument } from '@berth/oci/image-spec';
import { bestMatch, formatPlatform, hostPlatform, type Platform, parsePlatform, rank } from '@berth/oci/platform';
import { canonical, familiar, familiarName, parseReference, type Reference, tryParseReference, withDefaultTag } from '@berth/oci/reference';
import type { Image as ImageRecord } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { dateOf } from '@berth/rpc/timestamp';
import type { Image, ImageResolver } from './image.ts';
import type { ImageServices } from './image-services.ts';
import { isDanglingName } from './image-writer.ts';
import { unpackImage } from './unpack-image.ts';

/** On an image record: which of an index's platforms was pulled. */
export const PLATFORM_LABEL = 'berth.image.platform';

/** An image as its manifest tells it, whatever it is called. */
type Content = Pick<Image, 'id' | 'config' | 'chainId' | 'manifest' | 'layers'>;

interface Name {
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly updatedAt: Date | undefined;
}

export class ImageCatalog implements ImageResolver {
  readonly #services: ImageServices;
  /** What targets stand for; content never changes, so neither do these. */
  readonly #contents = new Map<string, Content>();
  #names = new Map<string, Name>();
  #images = new Map<Digest, Image>();
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(services: ImageServices) {
    this.#services = services;
  }

  /** Reads the names again. One that is being read already may miss what the caller has just done: all such calls share the next. */
  refresh(): Promise<void> {
    this.#next ??= this.#readAfter(this.#reading);
    return this.#next;
  }

  all(): readonly Image[] {
    return [...this.#images.values()];
  }

  get(id: string): Image | undefined {
    return this.#images.get(id as Digest);
  }

  /** The image behind a full name of the lifecycle service. */
  named(name: string): Image | undefined {
    return this.all().find((image) => image.names.includes(name));
  }

  target(name: string): Descriptor | undefined {
    return this.#names.get(name)?.target;
  }

  /** What was read of an index before some of it went. */
  forget(target: string): void {
    for (const key of this.#contents.keys()) if (key.startsWith(`${target} `)) this.#contents.delete(key);
  }

  /** What the image's names stand for: its manifest, or an index that it is one image of. */
  targetOf(image: Image): Descriptor {
    return image.names.map((name) => this.#names.get(name)?.target).find((target) => target !== undefined) ?? image.manifest;
  }

  /** The image for a platform behind the same names. NotFound when that one is not here; `text` is what the client called it. */
  async forPlatform(image: Image, platform: Platform, text: string): Promise<Image> {
    const { os, architecture, variant } = image.config;
    const own = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    if (rank(platform, own) === 0) return image;
    const target = this.targetOf(image);
    const content = isIndexType(target.mediaType) ? await this.#load(target, platform, { exact: true }) : undefined;
    if (content) return { ...image, ...content };
    throw new EngineError(
      'NotFound',
      `image with reference ${text} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(platform)})`,
      { layer: 'daemon', details: { image: image.id } },
    );
  }

  /** The labels that all names of an image carry: which platform of an index it is. */
  labels(image: Image): Record<string, string> {
    const platform = image.names.map((name) => this.#names.get(name)?.labels[PLATFORM_LABEL]).find((found) => found !== undefined);
    return platform === undefined ? {} : { [PLATFORM_LABEL]: platform };
  }

  /** When the image was last given a name here. */
  taggedAt(image: Image): Date | undefined {
    const times = image.names.flatMap((name) => this.#names.get(name)?.updatedAt ?? []);
    return times.sort((a, b) => b.getTime() - a.getTime())[0];
  }

  async resolve(reference: string, platform = ''): Promise<Image> {
    const found = this.find(reference);
    if (!found) throw noSuchImage(reference);
    if (platform === '') return found;
    const image = await this.forPlatform(found, parsePlatform(platform), reference);
    if (image !== found) await unpackImage(this.#services, image);
    return image;
  }

  /** Undefined where `resolve` throws NotFound; an ambiguous prefix of ids throws InvalidArgument. */
  find(text: string): Image | undefined {
    if (/^[a-f0-9]{64}$/.test(text)) return this.get(`sha256:${text}`);
    if (isDigest(text)) return this.get(text) ?? this.#byPrefix(text);
    const reference = tryParseReference(text);
    return (reference && this.#byReference(reference)) ?? this.#byPrefix(text);
  }

  #byReference(reference: Reference): Image | undefined {
    // A digest says more than the tag beside it.
    const { domain, path, digest } = reference;
    const name = canonical(digest === undefined ? withDefaultTag(reference) : { domain, path, digest });
    const named = this.named(name);
    if (named || digest === undefined) return named;
    const repository = canonical({ domain, path });
    return this.all().find(
      (image) =>
        image.manifest.digest === digest && image.names.some((one) => one.startsWith(`${repository}:`) || one.startsWith(`${repository}@`)),
    );
  }

  #byPrefix(text: string): Image | undefined {
    const prefix = text.startsWith('sha256:') ? text : `sha256:${text}`;
    if (!/^sha256:[a-f0-9]{1,64}$/.test(prefix)) return undefined;
    const found = this.all().filter((image) => image.id.startsWith(prefix));
    if (found.length > 1) throw new EngineError('InvalidArgument', `multiple IDs found with provided prefix: ${text}`, { layer: 'daemon' });
    return found[0];
  }

  async #readAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {});
    this.#reading = this.#next;
    this.#next = undefined;
    await this.#read();
  }

  async #read(): Promise<void> {
    const { images } = await this.#services.images.list({ filters: [] });
    const names = new Map(images.flatMap((record) => (record.target ? [[record.name, nameOf(record)] as const] : [])));
    const contents = await Promise.all([...names].map(async ([name, entry]) => [name, await this.#content(entry)] as const));
    const grouped = new Map<Digest, { content: Content; names: string[] }>();
    for (const [name, content] of contents) {
      if (!content) continue;
      const group = grouped.get(content.id) ?? { content, names: [] };
      group.names.push(name);
      grouped.set(content.id, group);
    }
    this.#names = names;
    this.#images = new Map([...grouped].map(([id, group]) => [id, imageOf(group.content, group.names)]));
  }

  /** Undefined for what is no image that could run here: an artifact, or one of which too little is stored. */
  async #content({ target, labels }: Name): Promise<Content | undefined> {
    const platform = labels[PLATFORM_LABEL];
    const key = `${target.digest} ${platform ?? ''}`;
    const known = this.#contents.get(key);
    if (known) return known;
    try {
      const content = await this.#load(target, platform === undefined ? hostPlatform() : parsePlatform(platform));
      if (content) this.#contents.set(key, content);
      return content;
    } catch (error) {
      if (isKind(error, 'NotFound') || isKind(error, 'InvalidArgument')) return undefined;
      throw error;
    }
  }

  async #load(target: Descriptor, platform: Platform, { exact } = { exact: false }): Promise<Content | undefined> {
    const document = parseManifestDocument(await this.#services.read(target.digest), target.mediaType);
    if (document.kind === 'index') {
      const present = await this.#present(document.index.manifests);
      const match = bestMatch(platform, present) ?? (exact ? undefined : present.find((entry) => !isIndexType(entry.mediaType)));
      return match && this.#load(match, platform, { exact });
    }
    const { config: descriptor, layers } = document.manifest;
    const config = parseImageConfig(await this.#services.read(descriptor.digest));
    return {
      id: descriptor.digest,
      config,
      chainId: chainIds(config.rootfs.diff_ids).at(-1) ?? '',
      manifest: target,
      layers: layers.filter((layer) => isLayerType(layer.mediaType)),
    };
  }

  async #present(manifests: readonly Descriptor[]): Promise<Descriptor[]> {
    const runnable = manifests.filter((entry) => entry.platform?.os !== 'unknown');
    const found = await Promise.all(
      runnable.map((entry) =>
        this.#services.content.info({ digest: entry.digest }).then(
          () => entry,
          () => undefined,
        ),
      ),
    );
    return found.flatMap((entry) => entry ?? []);
  }
}

/** Docker's words, with which its CLI decides to pull; for what is no name at all, why it is none. */
export function noSuchImage(text: string): EngineError {
  const missing = (name: string) => new EngineError('NotFound', `No such image: ${name}`, { layer: 'daemon', details: { image: text } });
  if (isDigest(text) || /^[a-f0-9]{64}$/.test(text)) return missing(text);
  try {
    return missing(familiar(withDefaultTag(parseReference(text))));
  } catch (thrown) {
    const { kind, message } = toEngineError(thrown);
    return new EngineError(kind, message, { layer: 'daemon', cause: thrown });
  }
}

function nameOf(record: ImageRecord): Name {
  const { mediaType, digest, size } = record.target as NonNullable<ImageRecord['target']>;
  return { target: { mediaType, digest: digest as Digest, size }, labels: record.labels, updatedAt: dateOf(record.updatedAt) };
}

function imageOf(content: Content, names: readonly string[]): Image {
  const references = names.filter((name) => !isDanglingName(name)).flatMap((name) => tryParseReference(name) ?? []);
  const tags = references.filter((reference) => reference.tag !== undefined && reference.digest === undefined);
  const digests = references.filter((reference) => reference.digest !== undefined);
  return {
    ...content,
    names: [...names].sort(),
    repoTags: [...new Set(tags.map(familiar))].sort(),
    repoDigests: [...new Set(digests.map((reference) => `${familiarName(reference)}@${reference.digest}`))].sort(),
  };
}
