// Content digests, `<algorithm>:<hex>` as image-spec's descriptor.md defines them. Blobs are named by the SHA-256 of their bytes;
// SHA-512 is the other registered algorithm and is accepted wherever a digest comes from outside.
import { createHash, type Hash } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';

export type Digest = `sha256:${string}` | `sha512:${string}`;

const HEX_LENGTH: Record<string, number> = { sha256: 64, sha512: 128 };
const PATTERN = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** The digest in `text`; InvalidArgument with the go-digest wordings that clients print otherwise. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon + 1 === text.length || !PATTERN.test(text)) throw invalid('invalid checksum digest format', text);
  const length = HEX_LENGTH[text.slice(0, colon)];
  if (length === undefined) throw invalid('unsupported digest algorithm', text);
  if (text.length - colon - 1 !== length) throw invalid('invalid checksum digest length', text);
  if (!/^[0-9a-f]+$/.test(text.slice(colon + 1))) throw invalid('invalid checksum digest format', text);
  return text as Digest;
}

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':');
  const length = HEX_LENGTH[text.slice(0, colon)];
  return length !== undefined && text.length === colon + 1 + length && /^[0-9a-f]+$/.test(text.slice(colon + 1));
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The hex part: the file's name in a content store. */
export function encodedOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The twelve digits that people see for a layer or an image. */
export function shortDigest(digest: string): string {
  return encodedOf(digest).slice(0, 12);
}

/** Hashes a stream chunk by chunk with the algorithm of the digest it is expected to have. */
export class Verifier {
  readonly expected: Digest;
  readonly #hash: Hash;
  size = 0;

  constructor(expected: Digest) {
    this.expected = expected;
    this.#hash = createHash(expected.slice(0, expected.indexOf(':')));
  }

  update(chunk: Uint8Array): void {
    this.size += chunk.length;
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `${this.expected.slice(0, this.expected.indexOf(':'))}:${this.#hash.digest('hex')}` as Digest;
  }
}

/**
 * The identifier of the root filesystem after each layer, lowest first (image-spec config.md, "Layer ChainID"):
 * snapshots are committed under these.
 */
export function chainIds(diffIds: readonly string[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? (diffId as Digest) : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

function invalid(message: string, text: string): EngineError {
  return new EngineError('InvalidArgument', message, { details: { digest: text } });
}
