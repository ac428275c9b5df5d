// POST /images/{name}/tag: one more name for an image.
import { canonical, familiar, type Reference, withDefaultTag } from '@berth/oci/reference';
import type { Image } from './image.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { danglingName, putName } from './image-writer.ts';

export async function tagImage(context: ImageContext, image: Image, reference: Reference): Promise<void> {
  const { services, catalog } = context;
  const name = canonical(withDefaultTag(reference));
  const before = catalog.named(name);
  // With an index, the name stands for all of it, as the other names of the image do.
  await putName(services, name, catalog.targetOf(image), catalog.labels(image));
  await keepUnnamed(context, before, image);
  for (const dangling of image.names.filter((one) => one === danglingName(image.manifest.digest)))
    await services.images.delete({ name: dangling });
  await catalog.refresh();
  emitImageEvent(context, 'tag', image.id, image, familiar(withDefaultTag(reference)));
}

/** An image whose last name was given to another one stays, as `<none>`. */
export async function keepUnnamed(context: ImageContext, before: Image | undefined, after: Pick<Image, 'id'>): Promise<void> {
  if (!before || before.id === after.id) return;
  await context.catalog.refresh();
  if (context.catalog.get(before.id)) return;
  await putName(context.services, danglingName(before.manifest.digest), before.manifest);
  await context.catalog.refresh();
}
