// DELETE /images/{name} and the rules of it (moby's daemon/images/image_delete.go): a name is only untagged while the image has
// others; the last one takes the image with it, unless containers stand on it.
import type { ImageDeleteItem } from '@berth/api/image';
import { EngineError } from '@berth/errdefs/engine-error';
import { chainIds, encodedOf, shortDigest } from '@berth/oci/digest';
import {
  canonical,
  canonicalName,
  familiar,
  parseReference,
  type Reference,
  sameRepository,
  tryParseReference,
  withDefaultTag,
} from '@berth/oci/reference';
import type { Image } from './image.ts';
import { noSuchImage } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { isDanglingName } from './image-writer.ts';

export interface RemoveOptions {
  force: boolean;
}

export async function removeImage(context: ImageContext, text: string, { force }: RemoveOptions): Promise<ImageDeleteItem[]> {
  const image = context.catalog.find(text);
  if (!image) {
    // What could be neither a name nor an id is told so.
    if (!/^(sha256:)?[a-f0-9]+$/.test(text)) parseReference(text);
    throw noSuchImage(text);
  }
  const work = new Removal(context, image, force);
  try {
    if (isIdPrefix(image, text)) await work.byId();
    else await work.byName(referenceOf(text), text);
  } finally {
    await context.catalog.refresh();
  }
  return work.removed;
}

class Removal {
  readonly removed: ImageDeleteItem[] = [];
  readonly #context: ImageContext;
  readonly #image: Image;
  readonly #force: boolean;
  #references: Reference[];

  constructor(context: ImageContext, image: Image, force: boolean) {
    this.#context = context;
    this.#image = image;
    this.#force = force;
    this.#references = image.names.filter((name) => !isDanglingName(name)).map(parseReference);
  }

  /** `text` is what the client called it. */
  async byName(reference: Reference, text: string): Promise<void> {
    const [user] = this.#context.users.usesOf(this.#image.id);
    if (!this.#force && user && isSingle(this.#references)) {
      throw new EngineError(
        'Conflict',
        `conflict: unable to remove repository reference "${text}" (must force) - container ${user.containerId.slice(0, 12)} is using its referenced image ${shortDigest(this.#image.id)}`,
        { layer: 'daemon' },
      );
    }
    const own =
      this.#references.find((one) => canonical(one) === canonical(reference)) ??
      this.#references.find((one) => one.digest !== undefined && one.digest === reference.digest);
    if (own) await this.#untag(own);
    // Digests of a repository of which no tag is left would keep an image that nobody can name.
    const siblings = this.#references.filter((one) => sameRepository(one, reference));
    if (reference.digest === undefined && siblings.every((one) => one.digest !== undefined)) {
      for (const sibling of siblings) await this.#untag(sibling);
    }
    if (this.#references.length === 0) await this.#delete({ referenced: false });
  }

  async byId(): Promise<void> {
    const single = isSingle(this.#references);
    this.#check({ referenced: !single });
    for (const reference of [...this.#references]) await this.#untag(reference);
    await this.#delete({ referenced: false });
  }

  /** Throws the conflict that forbids the removal: containers that run always do, stopped ones and further names unless forced. */
  #check({ referenced }: { referenced: boolean }): void {
    const uses = this.#context.users.usesOf(this.#image.id);
    const running = uses.find((use) => use.running);
    if (running) throw this.#conflict('cannot be forced', `image is being used by running container ${running.containerId.slice(0, 12)}`);
    if (this.#force) return;
    if (referenced && this.#references.length > 0) throw this.#conflict('must be forced', 'image is referenced in multiple repositories');
    const stopped = uses[0];
    if (stopped) throw this.#conflict('must be forced', `image is being used by stopped container ${stopped.containerId.slice(0, 12)}`);
  }

  #conflict(remedy: string, reason: string): EngineError {
    return new EngineError('Conflict', `conflict: unable to delete ${shortDigest(this.#image.id)} (${remedy}) - ${reason}`, {
      layer: 'daemon',
      details: { image: this.#image.id },
    });
  }

  async #untag(reference: Reference): Promise<void> {
    this.#references = this.#references.filter((one) => one !== reference);
    // With the last name goes what nothing else refers to: content and snapshots are collected before the answer.
    const last = this.#references.length === 0 && !this.#image.names.some(isDanglingName);
    await this.#context.services.images.delete({ name: canonical(reference), sync: last });
    this.removed.push({ Untagged: familiar(reference) });
    emitImageEvent(this.#context, 'untag', this.#image.id, this.#image, this.#image.id);
  }

  /** A container's own snapshot keeps the layers below it: a forced removal takes the image, not the container's files. */
  async #delete(check: { referenced: boolean }): Promise<void> {
    this.#check(check);
    const { services, catalog, events } = this.#context;
    for (const name of this.#image.names.filter(isDanglingName)) await services.images.delete({ name, sync: true });
    this.removed.push({ Deleted: this.#image.id });
    await catalog.refresh();
    const kept = new Set(catalog.all().flatMap((image) => chainIds(image.config.rootfs.diff_ids)));
    const layers = chainIds(this.#image.config.rootfs.diff_ids).filter((chainId) => !kept.has(chainId));
    if (this.#context.users.usesOf(this.#image.id).length === 0) {
      for (const chainId of layers.reverse()) this.removed.push({ Deleted: chainId });
    }
    events.emit('image', 'delete', this.#image.id, { ...this.#image.config.config?.Labels, name: this.#image.id });
  }
}

function isIdPrefix(image: Image, text: string): boolean {
  return image.id.startsWith(text) || encodedOf(image.id).startsWith(text);
}

function referenceOf(text: string): Reference {
  const reference = tryParseReference(text);
  if (!reference) throw noSuchImage(text);
  const { domain, path, digest } = reference;
  return digest === undefined ? withDefaultTag(reference) : { domain, path, digest };
}

/** One tag and the digests of its repository are one reference, as far as people see. */
function isSingle(references: readonly Reference[]): boolean {
  if (references.length <= 1) return true;
  const tags = references.filter((reference) => reference.digest === undefined);
  return tags.length <= 1 && new Set(references.map(canonicalName)).size === 1;
}
