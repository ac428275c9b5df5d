// GET /images/search: repositories by a word, from Docker Hub or from the registry that the term begins with (`host:5000/word`). Hub and
// its like answer the search of Docker's first registry API; a registry of the distribution-spec has a catalog, which is searched here.
import type { Filters } from '@berth/api/filters';
import type { ImageSearchItem } from '@berth/api/image';
import { EngineError, isKind, toEngineError } from '@berth/errdefs/engine-error';
import { DEFAULT_DOMAIN } from '@berth/oci/reference';
import { readText } from '@berth/oci/registry/body';
import { Connection } from '@berth/oci/registry/connection';
import { anonymous, type Credentials } from '@berth/oci/registry/credentials';
import type { HostSource, RegistryHost } from '@berth/oci/registry/host';

export const SEARCH_FILTERS = ['is-official', 'is-automated', 'stars'] as const;

const DEFAULT_LIMIT = 25;
const LARGEST_LIMIT = 100;
/** Repositories a page of the catalog, and pages that are read of one. */
const PAGE = 1000;
const PAGES = 100;

export interface SearchRequest {
  term: string;
  /** 0 for the default. */
  limit: number;
  filters: Filters;
  credentials: Credentials | undefined;
  signal: AbortSignal;
}

export async function searchImages(hosts: HostSource, request: SearchRequest): Promise<ImageSearchItem[]> {
  const limit = request.limit === 0 ? DEFAULT_LIMIT : request.limit;
  if (limit < 1 || limit > LARGEST_LIMIT) throw invalid(`limit ${limit} is outside the range of [1, ${LARGEST_LIMIT}]`);
  if (request.term === '') throw invalid('a search needs a term');
  const accepted = acceptedBy(request.filters);
  const { domain, word } = splitTerm(request.term);
  const host = (await hosts.hostsFor(domain)).at(-1);
  if (!host) throw new EngineError('NotFound', `no registry host is configured for ${domain}`, { layer: 'daemon' });
  using connection = new Connection(searchHost(domain, host), '', request.credentials ? async () => request.credentials : anonymous);
  try {
    const found = (await searched(connection, word, limit, request.signal)) ?? (await cataloged(connection, domain, word, request.signal));
    return found.filter(accepted).slice(0, limit);
  } catch (thrown) {
    const error = toEngineError(thrown);
    // The registry's troubles are not the daemon's own, which 503 would say.
    throw isKind(error, 'Unavailable') ? new EngineError('Internal', error.message, { layer: 'registry', cause: error }) : error;
  }
}

/** The answer of `/v1/search`; undefined where a registry has no such thing. */
async function searched(connection: Connection, word: string, limit: number, signal: AbortSignal): Promise<ImageSearchItem[] | undefined> {
  const query = new URLSearchParams({ q: word, n: String(limit) });
  const path = connection.resolve(`/v1/search?${query}`);
  const response = await connection.request({ method: 'GET', path, expect: [200, 404, 405, 410], signal });
  const body = await readText(response);
  if (response.statusCode !== 200) return undefined;
  const { results } = parse<{ results?: unknown }>(body, connection);
  return Array.isArray(results) ? results.map(itemOf) : [];
}

/** Repositories whose names have the word in them, under their whole names, as they are pulled by. */
async function cataloged(connection: Connection, domain: string, word: string, signal: AbortSignal): Promise<ImageSearchItem[]> {
  const names: string[] = [];
  let next: URL | undefined = connection.resolve(`/v2/_catalog?n=${PAGE}`);
  for (let page = 0; next !== undefined && page < PAGES; page++) {
    const path: URL = next;
    const response = await connection.request({ method: 'GET', path, expect: [200], signal });
    const { repositories } = parse<{ repositories?: unknown }>(await readText(response), connection);
    names.push(...(Array.isArray(repositories) ? repositories.map(String) : []));
    const link: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
    next = link === undefined ? undefined : connection.resolve(link);
  }
  return names.filter((name) => name.includes(word)).map((name) => itemOf({ name: `${domain}/${name}` }));
}

function splitTerm(term: string): { domain: string; word: string } {
  const slash = term.indexOf('/');
  const first = term.slice(0, Math.max(slash, 0));
  if (/[.:]/.test(first) || first === 'localhost') return { domain: first, word: term.slice(slash + 1) };
  return { domain: DEFAULT_DOMAIN, word: term.replace(/^library\//, '') };
}

/** Docker Hub answers searches elsewhere than pulls. */
function searchHost(domain: string, host: RegistryHost): RegistryHost {
  return domain === DEFAULT_DOMAIN ? { ...host, host: 'index.docker.io' } : host;
}

function acceptedBy(filters: Filters): (item: ImageSearchItem) => boolean {
  const official = filters.boolean('is-official');
  const automated = filters.boolean('is-automated');
  const stars = filters.get('stars').map((text) => {
    if (/^\d+$/.test(text)) return Number(text);
    throw invalid(`invalid filter 'stars=${text}'`);
  });
  return (item) =>
    (official === undefined || item.is_official === official) &&
    (automated === undefined || item.is_automated === automated) &&
    item.star_count >= Math.max(0, ...stars);
}

function itemOf(value: unknown): ImageSearchItem {
  const { name, description, star_count, is_official, is_automated } = (value ?? {}) as Partial<Record<keyof ImageSearchItem, unknown>>;
  return {
    star_count: typeof star_count === 'number' ? star_count : 0,
    is_official: is_official === true,
    name: String(name ?? ''),
    is_automated: is_automated === true,
    description: String(description ?? ''),
  };
}

function parse<T>(body: string, connection: Connection): T {
  try {
    return JSON.parse(body) as T;
  } catch (cause) {
    throw new EngineError('Internal', `${connection.host.host} answered a search with something that is not JSON`, {
      layer: 'registry',
      cause,
    });
  }
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon' });
}
