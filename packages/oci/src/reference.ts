// Image references, `[domain/]path[:tag][@digest]`: the grammar and the normal forms of github.com/distribution/reference.
// People write familiar names (busybox); stores and registries see full ones (docker.io/library/busybox:latest).
import { EngineError } from '@berth/errdefs/engine-error';
import { type Digest, parseDigest } from './digest.ts';

export const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const NAME_LIMIT = 255;

const DOMAIN_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const REFERENCE = new RegExp(`^((?:${DOMAIN}/)?${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const NAME = new RegExp(`^(?:(${DOMAIN})/)?(${PATH})$`);
const PATH_ONLY = new RegExp(`^${PATH}$`);
const TAG_ONLY = new RegExp(`^${TAG}$`);

export interface Reference {
  /** Host and optional port: docker.io, localhost:5000. */
  readonly domain: string;
  /** library/busybox. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** Any form that people type. A name alone has neither tag nor digest: see `withDefaultTag`. */
export function parseReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`, text);
  }
  const { domain, remainder } = splitDomain(text);
  const remoteName = remainder.split(':', 1)[0] ?? '';
  if (remoteName.toLowerCase() !== remoteName) {
    throw invalid(`invalid reference format: repository name (${remoteName}) must be lowercase`, text);
  }
  const match = REFERENCE.exec(`${domain}/${remainder}`);
  const name = match?.[1] === undefined ? null : NAME.exec(match[1]);
  if (!match || !name?.[1] || !name[2]) throw invalid('invalid reference format', text);
  if (name[2].length > NAME_LIMIT) throw invalid(`repository name must not be more than ${NAME_LIMIT} characters`, text);
  const digest = match[3] === undefined ? undefined : parseDigest(match[3]);
  return {
    domain: name[1],
    path: name[2],
    ...(match[2] === undefined ? {} : { tag: match[2] }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** As above for what may be no reference at all (an id, a prefix of one). */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** `repo` and `tag` as the Engine API gives them: two parameters, of which the second may be a digest. */
export function parseRepositoryAndTag(repository: string, tagOrDigest: string | undefined): Reference {
  const reference = parseReference(repository);
  if (!tagOrDigest) return reference;
  const { domain, path } = reference;
  if (tagOrDigest.includes(':')) return { domain, path, digest: parseDigest(tagOrDigest) };
  return { domain, path, tag: checkTag(tagOrDigest) };
}

function checkTag(tag: string): string {
  if (!TAG_ONLY.test(tag)) throw invalid('invalid tag format', tag);
  return tag;
}

/** A tag by itself: what follows the colon. */
export function isTag(text: string): boolean {
  return TAG_ONLY.test(text);
}

/** A repository's path below its registry, `library/busybox`: distribution-spec's `<name>`. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= NAME_LIMIT && PATH_ONLY.test(text);
}

export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** docker.io/library/busybox:latest */
export function canonical(reference: Reference): string {
  return `${canonicalName(reference)}${suffix(reference)}`;
}

/** docker.io/library/busybox */
export function canonicalName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** busybox:latest */
export function familiar(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** busybox */
export function familiarName(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return canonicalName(reference);
  const official = reference.path.startsWith(OFFICIAL_PREFIX) && !reference.path.slice(OFFICIAL_PREFIX.length).includes('/');
  return official ? reference.path.slice(OFFICIAL_PREFIX.length) : reference.path;
}

export function sameRepository(a: Reference, b: Reference): boolean {
  return a.domain === b.domain && a.path === b.path;
}

/** The first component is a host when it has a dot, a colon or a capital letter, or is localhost; otherwise it belongs to Docker Hub's path. */
function splitDomain(name: string): { domain: string; remainder: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isHost = slash !== -1 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isHost ? first : DEFAULT_DOMAIN;
  let remainder = isHost ? name.slice(slash + 1) : name;
  if (domain === LEGACY_DEFAULT_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = `${OFFICIAL_PREFIX}${remainder}`;
  return { domain, remainder };
}

function suffix(reference: Reference): string {
  return `${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}

function invalid(message: string, text: string): EngineError {
  return new EngineError('InvalidArgument', message, { details: { reference: text } });
}
