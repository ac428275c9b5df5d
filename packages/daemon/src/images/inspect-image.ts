// GET /images/{name}/json and /images/{name}/history: an image's configuration in the Engine API's form.
import type { ContainerConfig } from '@berth/api/host-config';
import type { ImageHistoryItem, ImageInspect } from '@berth/api/image';
import type { ExecutionConfig } from '@berth/oci/image-spec';
import type { Image } from './image.ts';
import type { ImageContext } from './image-context.ts';
import { manifestSummaries } from './image-manifests.ts';

/** Go's zero time, which clients know as "never". */
const NEVER = '0001-01-01T00:00:00Z';

export async function inspectImage(context: ImageContext, image: Image, { manifests } = { manifests: false }): Promise<ImageInspect> {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: config.parent ?? '',
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    ...(config.container === undefined ? {} : { Container: config.container }),
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: containerConfig(config.config ?? {}),
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: await context.sizes.total(image),
    GraphDriver: { Name: context.services.snapshotter === 'overlayfs' ? 'overlay2' : context.services.snapshotter, Data: null },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    Descriptor: context.catalog.targetOf(image),
    ...(manifests ? { Manifests: await manifestSummaries(context, context.catalog.targetOf(image)) } : {}),
    Metadata: { LastTagTime: context.catalog.taggedAt(image)?.toISOString() ?? NEVER },
  };
}

/** Newest first. Only the newest entry is an image here; the others are `<missing>`, as for every pulled image. */
export async function imageHistory(context: ImageContext, image: Image): Promise<ImageHistoryItem[]> {
  const sizes = await context.sizes.layers(image);
  let layer = 0;
  const items = (image.config.history ?? []).map(
    (entry): ImageHistoryItem => ({
      Comment: entry.comment ?? '',
      Created: Math.floor((Date.parse(entry.created ?? '') || 0) / 1000),
      CreatedBy: entry.created_by ?? '',
      Id: '<missing>',
      Size: entry.empty_layer ? 0 : (sizes[layer++] ?? 0),
      Tags: null,
    }),
  );
  const newest = items.at(-1);
  if (newest) {
    newest.Id = image.id;
    newest.Tags = image.repoTags.length > 0 ? [...image.repoTags] : null;
  }
  return items.reverse();
}

function containerConfig(config: ExecutionConfig): ContainerConfig {
  return {
    Hostname: config.Hostname ?? '',
    Domainname: config.Domainname ?? '',
    User: config.User ?? '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env ?? [],
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck ? { Healthcheck: config.Healthcheck } : {}),
    ...(config.ArgsEscaped ? { ArgsEscaped: true } : {}),
    Image: '',
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell ? { Shell: config.Shell } : {}),
  };
}
