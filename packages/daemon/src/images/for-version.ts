// Images as clients of older versions expect to find them (moby's api/docs/CHANGELOG: 1.43 to 1.51).
import type { ContainerConfig } from '@berth/api/host-config';
import type { ImageInspect, ImageSummary } from '@berth/api/image';
import type { Speaks } from '../server/request.ts';

/** Settings of a container that an image's configuration showed up to 1.49, whatever it said of them. */
const NOT_AN_IMAGES = [
  'Hostname',
  'Domainname',
  'AttachStdin',
  'AttachStdout',
  'AttachStderr',
  'Tty',
  'OpenStdin',
  'StdinOnce',
  'Image',
] as const;

/** Go's zero time: up to 1.43 an image without a time had this one. */
const NEVER = '0001-01-01T00:00:00Z';

export function summaryFor(speaks: Speaks, summary: ImageSummary): ImageSummary {
  if (speaks('1.51')) return summary;
  // How many containers stand on an image was not counted before.
  const { Descriptor, Manifests, ...older } = { ...summary, Containers: -1 };
  if (speaks('1.48')) return { ...older, ...(Manifests ? { Manifests } : {}), ...(Descriptor ? { Descriptor } : {}) };
  if (speaks('1.47')) return { ...older, ...(Manifests ? { Manifests } : {}) };
  if (speaks('1.44')) return older;
  const whole = { ...older, VirtualSize: summary.Size };
  if (speaks('1.43') || summary.RepoTags?.length || summary.RepoDigests?.length) return whole;
  return { ...whole, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
}

export function inspectFor(speaks: Speaks, image: ImageInspect): ImageInspect {
  const { Descriptor, Container, Config, ...rest } = image;
  return {
    ...rest,
    ...(Container === undefined || speaks('1.45') ? {} : { Container }),
    Config: Config && speaks('1.50') ? withoutLegacy(Config) : Config,
    ...(Descriptor && speaks('1.48') ? { Descriptor } : {}),
    ...(speaks('1.44') ? {} : { VirtualSize: image.Size, Created: image.Created ?? NEVER }),
  };
}

function withoutLegacy(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(
    Object.entries(config).filter(
      ([name, value]) => !(NOT_AN_IMAGES as readonly string[]).includes(name) || (value !== '' && value !== false),
    ),
  );
}
