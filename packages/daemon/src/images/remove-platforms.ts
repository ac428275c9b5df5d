// DELETE /images/{name}?platforms=: takes single platforms of an index away. The names stay, and stand for the platforms that are left;
// the last of those takes the image with it.
import type { ImageDeleteItem } from '@berth/api/image';
import { EngineError } from '@berth/errdefs/engine-error';
import { CONTENT_LABEL } from '@berth/lifecycle/gc/references';
import { shortDigest } from '@berth/oci/digest';
import { attests, type Descriptor, type Index, isIndexType, parseManifestDocument } from '@berth/oci/image-spec';
import { formatPlatform, type Platform } from '@berth/oci/platform';
import type { Image } from './image.ts';
import { noSuchImage, PLATFORM_LABEL } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { manifestParts } from './image-manifests.ts';
import { danglingName, putName } from './image-writer.ts';
import { type RemoveOptions, removeImage } from './remove-image.ts';
import { unpackImage } from './unpack-image.ts';

export async function removePlatforms(
  context: ImageContext,
  text: string,
  platforms: readonly Platform[],
  options: RemoveOptions,
): Promise<ImageDeleteItem[]> {
  const { catalog } = context;
  const image = catalog.find(text);
  if (!image) throw noSuchImage(text);
  const chosen: Image[] = [];
  for (const platform of platforms) chosen.push(await catalog.forPlatform(image, platform, text));
  const target = catalog.targetOf(image);
  const gone = new Set<string>(chosen.map(({ manifest }) => manifest.digest));
  const parts = await manifestParts(context.services, target);
  const left = parts.find(({ descriptor, available }) => available && attests(descriptor) === undefined && !gone.has(descriptor.digest));
  if (!left || !isIndexType(target.mediaType)) return removeImage(context, text, options);
  for (const one of chosen) refuseUsed(context, one, options);
  await forget(context, target, gone);
  // Another platform's pull under the same name has left it without one.
  const nameless = chosen.map(({ manifest }) => danglingName(manifest.digest)).filter((name) => catalog.target(name));
  for (const name of nameless) await context.services.images.delete({ name });
  await nameFor(context, image, target, left.descriptor.platform);
  for (const one of chosen) emitImageEvent(context, 'delete', one.id, one, text);
  return chosen.map(({ manifest }) => ({ Deleted: manifest.digest }));
}

function refuseUsed({ users }: ImageContext, { id }: Image, { force }: RemoveOptions): void {
  const uses = users.usesOf(id);
  const user = uses.find(({ running }) => running) ?? (force ? undefined : uses[0]);
  if (!user) return;
  const [remedy, state] = user.running ? ['cannot be forced', 'running'] : ['must be forced', 'stopped'];
  throw new EngineError(
    'Conflict',
    `conflict: unable to delete ${shortDigest(id)} (${remedy}) - image is being used by ${state} container ${user.containerId.slice(0, 12)}`,
    { layer: 'daemon', details: { image: id } },
  );
}

/** The index leads to them no more, nor to what attests them: the garbage collector takes content and snapshots. */
async function forget({ services, catalog }: ImageContext, target: Descriptor, gone: ReadonlySet<string>): Promise<void> {
  const document = parseManifestDocument(await services.read(target.digest), target.mediaType) as { index: Index };
  const labels = document.index.manifests.flatMap((entry, position) =>
    gone.has(entry.digest) || gone.has(attests(entry) ?? '') ? [`${CONTENT_LABEL}.m.${position}`] : [],
  );
  await services.content.update({
    info: { digest: target.digest, labels: Object.fromEntries(labels.map((label) => [label, ''])) },
    updateMask: { paths: labels.map((label) => `labels.${label}`) },
  });
  catalog.forget(target.digest);
}

/** Names that stood for a platform that went stand for one that is left. */
async function nameFor(
  { services, catalog }: ImageContext,
  image: Image,
  target: Descriptor,
  platform: Platform | undefined,
): Promise<void> {
  for (const name of image.names) {
    if (catalog.target(name)?.digest !== target.digest) continue;
    await putName(services, name, target, platform ? { [PLATFORM_LABEL]: formatPlatform(platform) } : {});
  }
  await services.collect();
  await catalog.refresh();
  const left = image.names.map((name) => catalog.named(name)).find((one) => one !== undefined);
  if (left) await unpackImage(services, left);
}
