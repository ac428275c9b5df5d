// What a registry holds: repositories, tags, and the manifests that refer to one ("Listing Tags", "Listing Referrers";
// the catalog is Docker's).
import type { Digest } from '@berth/oci/digest';
import { type Descriptor, MEDIA_TYPE } from '@berth/oci/image-spec';
import type { Source } from '../source.ts';
import type { Exchange } from './exchange.ts';
import { byBytes, byLetters, nextLink, type Page, pageOf, requestedPage } from './page.ts';

const CATALOG_PAGE = 1000;
/** An answer is an index, and an index is at most as large as a manifest may be; the rest is for its frame. */
const REFERRERS_BYTES = 4 * 1024 * 1024 - 4096;

export async function listRepositories(exchange: Exchange, source: Source): Promise<void> {
  const requested = requestedPage(exchange.query);
  const page = { ...requested, n: Math.min(requested.n ?? CATALOG_PAGE, CATALOG_PAGE) };
  const { items, more } = pageOf(await source.repositories(exchange.signal), page, byBytes);
  exchange.json(200, { repositories: items }, more ? link('/v2/_catalog', page, items) : {});
}

export async function listTags(exchange: Exchange, source: Source, name: string): Promise<void> {
  const page = requestedPage(exchange.query);
  const { items, more } = pageOf(await source.tags(name, exchange.signal), page, byLetters);
  exchange.json(200, { name, tags: items }, more ? link(`/v2/${name}/tags/list`, page, items) : {});
}

export async function listReferrers(exchange: Exchange, source: Source, name: string, subject: Digest): Promise<void> {
  const page = requestedPage(exchange.query);
  const artifactType = exchange.query.get('artifactType') || undefined;
  const all = await source.referrers(name, subject, exchange.signal);
  const wanted = all.filter(
    (descriptor) =>
      (artifactType === undefined || descriptor.artifactType === artifactType) &&
      (page.last === undefined || descriptor.digest > page.last),
  );
  const manifests = fitting(wanted, page.n);
  const last = manifests.at(-1)?.digest;
  const more = last !== undefined && manifests.length < wanted.length;
  const next = { artifactType, n: page.n?.toString(), last };
  exchange.json(
    200,
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests },
    {
      'content-type': MEDIA_TYPE.ociIndex,
      ...(artifactType === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...(more ? { link: nextLink(`/v2/${name}/referrers/${subject}`, next) } : {}),
    },
  );
}

/** As many as one answer may hold, at least one. */
function fitting(descriptors: readonly Descriptor[], n = descriptors.length): Descriptor[] {
  let bytes = 0;
  const end = descriptors.findIndex((descriptor, index) => {
    bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
    return index >= n || (index > 0 && bytes > REFERRERS_BYTES);
  });
  return descriptors.slice(0, end === -1 ? undefined : end);
}

function link(path: string, page: Page, items: readonly string[]): Record<string, string> {
  return { link: nextLink(path, { n: page.n?.toString(), last: items.at(-1) }) };
}
