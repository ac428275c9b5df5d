// Conditional requests (RFC 9110 section 13) on content that is named by its digest: the digest is the entity tag.
import type { Digest } from '@berth/oci/digest';
import type { Exchange } from './exchange.ts';

export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

/** True when the client has this content already: answer 304. */
export function isUnchanged(exchange: Exchange, digest: Digest): boolean {
  const wanted = exchange.header('if-none-match');
  return wanted !== undefined && entityTags(wanted).some((tag) => tag === '*' || tag === entityTag(digest) || tag === digest);
}

/** False when the client's range is of other content than this: it gets everything. */
export function isRangeOf(exchange: Exchange, digest: Digest): boolean {
  const condition = exchange.header('if-range');
  return condition === undefined || condition.trim() === entityTag(digest);
}

function entityTags(header: string): string[] {
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
}
