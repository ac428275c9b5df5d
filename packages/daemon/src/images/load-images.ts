// POST /images/load: images from an archive. It is taken in as a whole, its images are checked, unpacked and then named; what a
// refused archive has stored goes with the lease.
import { configLabels, indexLabels, manifestLabels } from '@berth/lifecycle/transfer/references';
import { type Digest, shortDigest } from '@berth/oci/digest';
import { formatPlatform, type Platform } from '@berth/oci/platform';
import { canonical, familiar } from '@berth/oci/reference';
import { PLATFORM_LABEL } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { danglingName, putName, saveImage } from './image-writer.ts';
import { storeArchive } from './load-archive.ts';
import { type LoadPlan, loadPlans } from './load-plan.ts';
import type { ProgressSink } from './progress-output.ts';
import { keepUnnamed } from './tag-image.ts';
import { unpackLayers } from './unpack-layers.ts';

export interface LoadRequest {
  archive: AsyncIterable<Uint8Array>;
  quiet: boolean;
  /** Only the images for these; none for whatever there is. */
  platforms?: readonly Platform[];
  signal: AbortSignal;
}

export async function loadImages(context: ImageContext, request: LoadRequest, write: ProgressSink): Promise<void> {
  const { archive, quiet, platforms = [], signal } = request;
  const { services, spool } = context;
  await services.withLease(async (lease) => {
    const plans = loadPlans(await storeArchive(services, spool, lease, archive, signal), platforms);
    const reporting = { progress: quiet ? () => {} : write, write, platforms, signal };
    for (const plan of plans) await loadOne(context, lease, plan, reporting);
  });
}

interface Reporting {
  progress: ProgressSink;
  write: ProgressSink;
  platforms: readonly Platform[];
  signal: AbortSignal;
}

async function loadOne(
  context: ImageContext,
  lease: string,
  plan: LoadPlan,
  { progress, write, platforms, signal }: Reporting,
): Promise<void> {
  const { services, catalog } = context;
  const { references, layers } = plan;
  const there = await unpackLayers(services, lease, layers, plan.config.rootfs.diff_ids, signal);
  for (const [position, { size }] of layers.entries()) {
    const id = shortDigest(plan.config.rootfs.diff_ids[position] as Digest);
    if (position >= there) progress({ status: 'Loading layer', progressDetail: { current: size, total: size }, id });
  }
  const before = references.map((reference) => catalog.named(canonical(reference)));
  const [platform] = platforms;
  const labels: Record<string, string> = platform === undefined ? {} : { [PLATFORM_LABEL]: formatPlatform(platform) };
  const id = await keepImage(context, lease, plan, references.map(canonical), labels);
  for (const image of before) await keepUnnamed(context, image, { id });
  await catalog.refresh();
  for (const reference of references) write({ stream: `Loaded image: ${familiar(reference)}\n` });
  if (references.length === 0) write({ stream: `Loaded image ID: ${id}\n` });
  emitImageEvent(context, 'load', id, catalog.get(id), id);
}

/** An OCI layout's documents stay what they are; where there are none, a manifest is made. The image's id. */
async function keepImage(
  { services }: ImageContext,
  lease: string,
  plan: LoadPlan,
  names: readonly string[],
  labels: Record<string, string>,
): Promise<Digest> {
  const { configBytes, config, layers, manifest, index, documents } = plan;
  if (manifest === undefined) return (await saveImage(services, lease, { config: configBytes, layers, names, labels })).id;
  const id = await services.put(configBytes, { lease, labels: configLabels(config, services.snapshotter) });
  // What is below is labelled before what leads to it.
  for (const { bytes, content } of [...documents].reverse()) {
    const here = documents.map(({ descriptor }) => descriptor);
    const kept = content.kind === 'manifest' ? manifestLabels(content.manifest) : indexLabels(content.index, here);
    await services.put(bytes, { lease, labels: kept });
  }
  const all = names.length > 0 ? names : [danglingName(manifest.digest)];
  for (const name of all) await putName(services, name, index ?? manifest, labels);
  return id;
}
