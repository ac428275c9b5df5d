// POST /commit: an image of what a container changed, over the image that it was made of.
import type { ContainerConfig } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ExecutionConfig, ImageConfig } from '@berth/oci/image-spec';
import { canonical, familiar, type Reference } from '@berth/oci/reference';
import { MOUNT_POINTS } from '../containers/mounts/mount-points.ts';
import { compareHere } from './compare-here.ts';
import { applyChanges } from './config-changes.ts';
import { emitImageEvent, type ImageContext } from './image-context.ts';
import { compareByService, packLayer, saveImage, unpackLayer } from './image-writer.ts';
import { keepUnnamed } from './tag-image.ts';

export interface CommitRequest {
  container: { id: string; imageId: string; chainId: string; path: string; args: readonly string[] };
  /** The container's configuration, with what the request says over it. */
  config: ContainerConfig;
  changes: readonly string[];
  reference: Reference | undefined;
  comment: string;
  author: string;
}

/** The new image's id. */
export async function commitImage(context: ImageContext, request: CommitRequest): Promise<string> {
  const { services, catalog } = context;
  const { container, reference, comment, author } = request;
  const base = catalog.get(container.imageId);
  if (!base) {
    throw new EngineError('NotFound', `the image ${container.imageId} of container ${container.id} was removed: it cannot be committed`, {
      layer: 'daemon',
    });
  }
  const execution = applyChanges(executionOf(request.config), request.changes);
  const before = reference && catalog.named(canonical(reference));
  const id = await services.withLease(async (lease) => {
    const compare = services.foreign
      ? compareHere(context.threads, services, lease, MOUNT_POINTS)
      : compareByService(services, lease, MOUNT_POINTS);
    const layer = await packLayer(services, lease, container.id, container.chainId, compare);
    // The container keeps its snapshot; the image gets one of its own.
    await unpackLayer(services, lease, container.chainId, layer.descriptor, layer.diffId);
    const created = new Date().toISOString();
    const config: ImageConfig = {
      ...base.config,
      created,
      config: execution,
      comment,
      ...(author === '' ? {} : { author }),
      container: container.id,
      rootfs: { type: 'layers', diff_ids: [...base.config.rootfs.diff_ids, layer.diffId] },
      history: [
        ...(base.config.history ?? []),
        {
          created,
          created_by: [container.path, ...container.args].join(' '),
          ...(author === '' ? {} : { author }),
          ...(comment === '' ? {} : { comment }),
        },
      ],
    };
    const names = reference ? [canonical(reference)] : [];
    const saved = await saveImage(services, lease, { config, layers: [...base.layers, layer.descriptor], names });
    await keepUnnamed(context, before, saved);
    await catalog.refresh();
    return saved.id;
  });
  emitImageEvent(context, 'create', id, catalog.get(id), reference ? familiar(reference) : id);
  return id;
}

/** What of a container's configuration belongs to an image: how it was attached to does not. */
function executionOf(config: ContainerConfig): ExecutionConfig {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal, OnBuild, Shell, StopTimeout, Healthcheck } =
    config;
  const given = {
    User,
    ExposedPorts,
    Env,
    Entrypoint,
    Cmd,
    Volumes,
    WorkingDir,
    Labels,
    StopSignal,
    OnBuild,
    Shell,
    StopTimeout,
    Healthcheck,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  ) as ExecutionConfig;
}
