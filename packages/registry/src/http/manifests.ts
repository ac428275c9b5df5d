// GET, HEAD, PUT and DELETE of a manifest ("Pulling manifests", "Pushing Manifests", "Deleting Manifests").
import { type Digest, digestOf, Verifier } from '@berth/oci/digest';
import { type Descriptor, isIndexType, isManifestType } from '@berth/oci/image-spec';
import { Problem } from '../problem.ts';
import { type Source, unknownManifest } from '../source.ts';
import { isForeign, type ParsedManifest, parseManifest } from '../store/manifest-document.ts';
import type { Repositories, StoredManifest } from '../store/repositories.ts';
import { accepts } from './accept.ts';
import { entityTag, isUnchanged } from './conditional.ts';
import type { Exchange } from './exchange.ts';
import type { ManifestReference } from './route.ts';

/** The size that the specification asks registries to take at least; nothing that is larger describes an image. */
const LARGEST = 4 * 1024 * 1024;
const STORE_ATTEMPTS = 3;

export async function getManifest(exchange: Exchange, source: Source, name: string, reference: ManifestReference): Promise<void> {
  const manifest = await negotiated(exchange, source, name, await source.manifest(name, reference, exchange.signal), reference);
  const { digest, mediaType, bytes } = manifest;
  const headers = { 'docker-content-digest': digest, etag: entityTag(digest) };
  if (isUnchanged(exchange, digest)) return exchange.empty(304, headers);
  exchange.text(200, bytes, { 'content-type': mediaType, ...headers });
}

export async function putManifest(
  exchange: Exchange,
  repositories: Repositories,
  name: string,
  reference: ManifestReference,
): Promise<void> {
  const bytes = await exchange.bytes(LARGEST);
  const digest = checkedDigest(bytes, reference);
  const manifest: StoredManifest = { digest, mediaType: mediaTypeOf(exchange, bytes), bytes };
  const parsed = parseManifest(manifest);
  await checkReferences(repositories, name, parsed);
  await store(repositories, name, manifest, parsed, 'tag' in reference ? reference.tag : undefined);
  exchange.empty(201, {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(parsed.subject === undefined ? {} : { 'oci-subject': parsed.subject.digest }),
  });
}

/**
 * A collector that began between the check and the record knows nothing of this manifest. So what it needs is claimed once more when the
 * record is there, and the record when the tag is: from then on a collector either sees them or finds them used after it began.
 */
async function store(
  repositories: Repositories,
  name: string,
  manifest: StoredManifest,
  parsed: ParsedManifest,
  tag: string | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < STORE_ATTEMPTS; attempt++) {
    await repositories.putManifest(name, manifest);
    try {
      await checkReferences(repositories, name, parsed);
    } catch (error) {
      await repositories.deleteManifest(name, manifest.digest);
      throw error;
    }
    if (tag !== undefined) await repositories.setTag(name, tag, manifest.digest);
    if (await repositories.claimManifest(name, manifest.digest)) return;
  }
  throw new Problem('UNAVAILABLE', 'a collection took the manifest away while it was stored: push it again');
}

/** By digest the manifest and its tags go, by tag only the tag. */
export async function deleteManifest(
  exchange: Exchange,
  repositories: Repositories,
  name: string,
  reference: ManifestReference,
): Promise<void> {
  const deleted =
    'tag' in reference ? await repositories.deleteTag(name, reference.tag) : await repositories.deleteManifest(name, reference.digest);
  if (!deleted) throw unknownManifest(reference);
  exchange.empty(202);
}

/** Clients that know no index get the image for linux/amd64 of a tagged one, as Docker's registry does it. */
async function negotiated(
  exchange: Exchange,
  source: Source,
  name: string,
  manifest: StoredManifest,
  reference: ManifestReference,
): Promise<StoredManifest> {
  const accept = exchange.header('accept');
  if ('digest' in reference || accepts(accept, manifest.mediaType)) return manifest;
  if (isIndexType(manifest.mediaType)) {
    const fitting = parseManifest(manifest).manifests.find(
      ({ platform, mediaType }) => platform?.os === 'linux' && platform.architecture === 'amd64' && accepts(accept, mediaType),
    );
    if (fitting) return source.manifest(name, { digest: fitting.digest }, exchange.signal);
  }
  throw new Problem('MANIFEST_UNKNOWN', `manifest unknown: it is of type ${manifest.mediaType}, which the Accept header does not admit`);
}

function checkedDigest(bytes: Buffer, reference: ManifestReference): Digest {
  if ('tag' in reference) return digestOf(bytes);
  const verifier = new Verifier(reference.digest);
  verifier.update(bytes);
  const actual = verifier.digest();
  if (actual !== reference.digest) throw new Problem('DIGEST_INVALID', undefined, { detail: { expected: reference.digest, actual } });
  return actual;
}

/** The type in the header; of clients that send a general one, or none, that in the document. */
function mediaTypeOf(exchange: Exchange, bytes: Buffer): string {
  const header = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (isIndexType(header) || isManifestType(header)) return header;
  if (!['', 'application/json', 'application/octet-stream'].includes(header))
    throw new Problem(
      'MANIFEST_INVALID',
      `manifest invalid: ${header.slice(0, 100)} is not a manifest's media type that this registry takes`,
    );
  try {
    return String((JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown } | null)?.mediaType ?? '');
  } catch (cause) {
    throw new Problem('MANIFEST_INVALID', `manifest invalid: ${(cause as Error).message}`, { cause });
  }
}

/** Everything that the manifest needs is in the repository, has the size that it says, and stays. */
async function checkReferences(repositories: Repositories, name: string, parsed: ParsedManifest): Promise<void> {
  const missing: Descriptor[] = [];
  for (const blob of parsed.blobs) {
    const size = await repositories.claimBlob(name, blob.digest);
    if (size === undefined) {
      if (!isForeign(blob)) missing.push(blob);
    } else if (size !== blob.size) {
      throw new Problem('MANIFEST_INVALID', `manifest invalid: it says that ${blob.digest} has ${blob.size} bytes, but it has ${size}`);
    }
  }
  for (const child of parsed.manifests) if (!(await repositories.claimManifest(name, child.digest))) missing.push(child);
  const [first] = missing;
  if (first === undefined) return;
  throw new Problem('MANIFEST_BLOB_UNKNOWN', `blob unknown to registry: ${first.digest}`, {
    detail: missing.slice(0, 100).map(({ digest, mediaType }) => ({ digest, mediaType })),
  });
}
