// The digest of a file's bytes. Runs in an unpack worker: the service's event loop has calls to answer meanwhile.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Digest } from '@berth/oci/digest';

/** Small enough to stay in the processor's cache between the copy out of the kernel and the hash. */
const CHUNK = 256 * 1024;

export interface HashJob {
  kind: 'hash';
  path: string;
  /** `sha256`, `sha512`. */
  algorithm: string;
}

export interface Hashed {
  digest: Digest;
  /** Bytes. */
  size: number;
}

export function hashFile({ path, algorithm }: HashJob): Hashed {
  const hash = createHash(algorithm);
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const file = openSync(path, 'r');
  try {
    let size = 0;
    for (;;) {
      const read = readSync(file, buffer, 0, CHUNK, null);
      if (read === 0) return { digest: `${algorithm}:${hash.digest('hex')}` as Digest, size };
      hash.update(read === CHUNK ? buffer : buffer.subarray(0, read));
      size += read;
    }
  } finally {
    closeSync(file);
  }
}
