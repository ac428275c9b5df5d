// POST /images/load: images from an archive. It is taken in as a whole, its images are checked, unpacked and then named; what a
// refused archive has stored goes with the lease.
import { EngineError } from '@berth/errdefs/engine-error';
import { chainIds, type Digest, shortDigest } from '@berth/oci/digest';
import { formatPlatform, type Platform } from '@berth/oci/platform';
import { canonical, familiar } from '@berth/oci/reference';
import { PLATFORM_LABEL } from './image-catalog.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { configLabels, danglingName, indexLabels, manifestLabels, putName, saveImage, unpackLayer } from './image-writer.ts';
import { storeArchive } from './load-archive.ts';
import { type LoadPlan, loadPlans } from './load-plan.ts';
import type { ProgressSink } from './progress-output.ts';
import { keepUnnamed } from './tag-image.ts';
import { UnpackAhead } from './unpack-ahead.ts';

export interface LoadRequest {
  archive: AsyncIterable<Uint8Array>;
  quiet: boolean;
  /** Only the images for these; none for whatever there is. */
  platforms?: readonly Platform[];
  signal: AbortSignal;
}

export async function loadImages(context: ImageContext, request: LoadRequest, write: ProgressSink): Promise<void> {
  const { archive, quiet, platforms = [], signal } = request;
  const { services } = context;
  await services.withLease(async (lease) => {
    const ahead = new UnpackAhead(services, lease, platforms);
    try {
      const files = await storeArchive(services, lease, archive, (file) => ahead.add(file), signal);
      const plans = loadPlans(files, platforms);
      await ahead.stop();
      const reporting = { progress: quiet ? () => {} : write, write, platforms, unpacked: ahead.made };
      for (const plan of plans) await loadOne(context, lease, plan, reporting);
    } finally {
      await ahead.stop();
    }
  });
}

interface Reporting {
  progress: ProgressSink;
  write: ProgressSink;
  platforms: readonly Platform[];
  /** Chain ids of layers that were unpacked while the archive was read. */
  unpacked: ReadonlySet<Digest>;
}

async function loadOne(
  context: ImageContext,
  lease: string,
  plan: LoadPlan,
  { progress, write, platforms, unpacked }: Reporting,
): Promise<void> {
  const { catalog } = context;
  const { references } = plan;
  await unpackAll(context, lease, plan, progress, unpacked);
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
  const id = await services.put(configBytes, { lease, labels: configLabels(services, config) });
  // What is below is labelled before what leads to it.
  for (const { bytes, content } of [...documents].reverse()) {
    const here = new Set(documents.map(({ descriptor }) => descriptor.digest));
    const kept = content.kind === 'manifest' ? manifestLabels(content.manifest) : indexLabels(content.index, here);
    await services.put(bytes, { lease, labels: kept });
  }
  const all = names.length > 0 ? names : [danglingName(manifest.digest)];
  for (const name of all) await putName(services, name, index ?? manifest, labels);
  return id;
}

async function unpackAll(
  context: ImageContext,
  lease: string,
  { config, layers }: LoadPlan,
  progress: ProgressSink,
  unpacked: ReadonlySet<Digest>,
): Promise<void> {
  const chain = chainIds(config.rootfs.diff_ids);
  for (const [position, layer] of layers.entries()) {
    const expected = config.rootfs.diff_ids[position] as Digest;
    const id = shortDigest(expected);
    const { diffId, existed } = await unpackLayer(context.services, lease, chain[position - 1] ?? '', layer, expected);
    if (diffId !== expected) {
      throw new EngineError('InvalidArgument', `invalid diffID for layer ${position}: expected "${expected}", got "${diffId}"`, {
        layer: 'daemon',
      });
    }
    if (!existed || unpacked.has(chain[position] as Digest))
      progress({ status: 'Loading layer', progressDetail: { current: layer.size, total: layer.size }, id });
  }
}
