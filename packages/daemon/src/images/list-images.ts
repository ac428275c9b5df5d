// GET /images/json: summaries, newest first, and the filters on them.
import type { Filters } from '@berth/api/filters';
import type { ImageSummary } from '@berth/api/image';
import { parseDuration } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Image } from './image.ts';
import { noSuchImage } from './image-catalog.ts';
import type { ImageContext } from './image-context.ts';
import { manifestSummaries } from './image-manifests.ts';

export const IMAGE_FILTERS = ['dangling', 'label', 'label!', 'reference', 'before', 'since', 'until'] as const;

export interface ListOptions {
  filters: Filters;
  sharedSize: boolean;
  /** With the manifests behind each name. */
  manifests?: boolean;
}

export async function listImages(context: ImageContext, options: ListOptions): Promise<ImageSummary[]> {
  const images = selectImages(context, options.filters).map((image) => named(image, options.filters));
  const summaries = await Promise.all(images.map((image) => summaryOf(context, image, options)));
  return summaries.sort((a, b) => b.Created - a.Created);
}

/** The images that satisfy every filter. NotFound when `before` or `since` names none. */
export function selectImages(context: ImageContext, filters: Filters): Image[] {
  const dangling = filters.boolean('dangling');
  const [before] = filters.get('before').map((text) => createdAt(boundary(context, text)));
  const [since] = filters.get('since').map((text) => createdAt(boundary(context, text)));
  const [until] = filters.get('until').map(momentOf);
  return context.catalog.all().filter((image) => {
    const created = createdAt(image);
    const labels = image.config.config?.Labels;
    return (
      (dangling === undefined || (image.repoTags.length === 0) === dangling) &&
      (before === undefined || created < before) &&
      (since === undefined || created > since) &&
      (until === undefined || created < until) &&
      filters.labels('label', labels) &&
      !(filters.has('label!') && filters.labels('label!', labels)) &&
      filters.some('reference', (pattern) => [...image.repoTags, ...image.repoDigests].some((name) => matchesReference(pattern, name)))
    );
  });
}

/** Who asks for names by a pattern sees no others. */
function named(image: Image, filters: Filters): Image {
  const wanted = (name: string) => filters.some('reference', (pattern) => matchesReference(pattern, name));
  return filters.has('reference')
    ? { ...image, repoTags: image.repoTags.filter(wanted), repoDigests: image.repoDigests.filter(wanted) }
    : image;
}

async function summaryOf(context: ImageContext, image: Image, { sharedSize, manifests }: ListOptions): Promise<ImageSummary> {
  const Size = await context.sizes.total(image);
  return {
    Containers: context.users.usesOf(image.id).length,
    Created: Math.floor(createdAt(image) / 1000),
    Id: image.id,
    Labels: image.config.config?.Labels ?? null,
    ParentId: '',
    RepoDigests: [...image.repoDigests],
    RepoTags: [...image.repoTags],
    SharedSize: sharedSize ? Size - (await context.sizes.unique(image, context.catalog.all())) : -1,
    Size,
    Descriptor: context.catalog.targetOf(image),
    ...(manifests ? { Manifests: await manifestSummaries(context, context.catalog.targetOf(image)) } : {}),
  };
}

/** Milliseconds since 1970; images without a time are as old as time itself. */
function createdAt(image: Image): number {
  const time = Date.parse(image.config.created ?? '');
  return Number.isNaN(time) ? 0 : time;
}

function boundary(context: ImageContext, text: string): Image {
  const image = context.catalog.find(text);
  if (!image) throw noSuchImage(text);
  return image;
}

/** A Unix time, an RFC 3339 time, or a Go duration before now. */
export function momentOf(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const duration = parseDuration(text);
  if (duration !== undefined) return Date.now() - duration / 1e6;
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new EngineError(
      'InvalidArgument',
      `failed to parse value as time or duration: "${text}": use a Unix time, an RFC 3339 time or a duration such as 10m`,
      { layer: 'daemon' },
    );
  return time;
}

/** Go's path.Match over the whole name, or over the repository alone: `*` and `?` stop at slashes. */
export function matchesReference(pattern: string, name: string): boolean {
  const repository = name.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
  const expression = globOf(pattern);
  return expression.test(name) || expression.test(repository);
}

function globOf(pattern: string): RegExp {
  const source = pattern.replace(/\[!|[.+^${}()|\\]|\*|\?/g, (part) =>
    part === '*' ? '[^/]*' : part === '?' ? '[^/]' : part === '[!' ? '[^' : `\\${part}`,
  );
  try {
    return new RegExp(`^${source}$`);
  } catch (cause) {
    throw new EngineError('InvalidArgument', `invalid filter 'reference=${pattern}': syntax error in pattern`, { layer: 'daemon', cause });
  }
}
