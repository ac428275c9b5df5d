// POST /images/create?fromSrc=: an image of one layer from an archive of a root filesystem.
import { EngineError } from '@berth/errdefs/engine-error';
import type { ImageConfig } from '@berth/oci/image-spec';
import { hostPlatform, normalize, parsePlatform } from '@berth/oci/platform';
import { canonical, familiar, type Reference, withDefaultTag } from '@berth/oci/reference';
import { applyChanges } from './config-changes.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { addArchiveLayer, saveImage } from './image-writer.ts';
import { keepUnnamed } from './tag-image.ts';

export interface ImportRequest {
  archive: AsyncIterable<Uint8Array>;
  reference: Reference | undefined;
  message: string;
  changes: readonly string[];
  /** '' for the host's. */
  platform: string;
  signal: AbortSignal;
}

/** The image's id. */
export async function importImage(context: ImageContext, request: ImportRequest): Promise<string> {
  const { services, catalog } = context;
  // What is wrong with the request is said before its archive is read.
  const execution = applyChanges({}, request.changes);
  const { os, architecture, variant } = normalize(request.platform === '' ? hostPlatform() : parsePlatform(request.platform));
  if (os !== 'linux') throw new EngineError('InvalidArgument', 'operating system is not supported', { layer: 'daemon' });
  const reference = request.reference && withDefaultTag(request.reference);
  const before = reference && catalog.named(canonical(reference));
  const id = await services.withLease(async (lease) => {
    const layer = await addArchiveLayer(services, lease, '', request.archive, request.signal);
    const created = new Date().toISOString();
    const config: ImageConfig = {
      created,
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: execution,
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created, comment: request.message }],
      comment: request.message,
    };
    const saved = await saveImage(services, lease, { config, layers: [layer.descriptor], names: reference ? [canonical(reference)] : [] });
    await keepUnnamed(context, before, saved);
    await catalog.refresh();
    return saved.id;
  });
  emitImageEvent(context, 'import', id, catalog.get(id), reference ? familiar(reference) : id);
  return id;
}
