// Which endpoint of the distribution-spec a path names ("Endpoints"). Names hold slashes, so paths are read from their end.
// Only names, references and digests of the strict grammars come out: nothing else ever reaches the store.
import { type Digest, isDigest } from '@berth/oci/digest';
import { isRepositoryPath, isTag } from '@berth/oci/reference';
import { Problem } from '../problem.ts';

/** A manifest's tag or digest. */
export type ManifestReference = { readonly tag: string } | { readonly digest: Digest };

export type Route =
  | { readonly kind: 'base' | 'catalog' | 'token' }
  | { readonly kind: 'tags' | 'uploads'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: ManifestReference }
  | { readonly kind: 'blob' | 'referrers'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string };

const PATTERNS = {
  tags: /^\/v2\/(.+)\/tags\/list$/,
  manifest: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
  uploads: /^\/v2\/(.+)\/blobs\/uploads\/?$/,
  upload: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
  blob: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
  referrers: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
} as const;

/** The endpoint, or undefined when the API has none there. `path` is as sent, without the query. */
export function parseRoute(path: string): Route | undefined {
  const decoded = decode(path);
  if (decoded === '/v2' || decoded === '/v2/') return { kind: 'base' };
  if (decoded === '/v2/_catalog') return { kind: 'catalog' };
  if (decoded === '/token') return { kind: 'token' };
  for (const [kind, pattern] of Object.entries(PATTERNS) as [keyof typeof PATTERNS, RegExp][]) {
    const match = pattern.exec(decoded);
    if (!match) continue;
    const [, name = '', last = ''] = match;
    if (!isRepositoryPath(name)) throw new Problem('NAME_INVALID', undefined, { detail: { name: name.slice(0, 300) } });
    switch (kind) {
      case 'tags':
      case 'uploads':
        return { kind, name };
      case 'manifest':
        return { kind, name, reference: parseManifestReference(last) };
      case 'upload':
        return { kind, name, id: last };
      case 'blob':
      case 'referrers':
        return { kind, name, digest: parseDigestOf(last) };
    }
  }
  return undefined;
}

export function parseDigestOf(text: string): Digest {
  if (!isDigest(text)) throw new Problem('DIGEST_INVALID', 'invalid digest: sha256 or sha512 is expected', { detail: text.slice(0, 300) });
  return text;
}

function parseManifestReference(text: string): ManifestReference {
  if (text.includes(':')) return { digest: parseDigestOf(text) };
  if (!isTag(text)) throw new Problem('TAG_INVALID', undefined, { detail: { tag: text.slice(0, 300) } });
  return { tag: text };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new Problem('NAME_INVALID', 'the path is not valid percent-encoding');
  }
}
