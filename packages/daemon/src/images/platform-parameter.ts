// Platforms in the query of a request: JSON as OCI's image-spec writes them, `{"os":"linux","architecture":"arm64"}`, which clients
// send since API 1.46, or `linux/arm64` as people type them.
import { EngineError } from '@berth/errdefs/engine-error';
import { normalize, type Platform, parsePlatform } from '@berth/oci/platform';

/** Undefined for an empty parameter. */
export function platformParameter(text: string): Platform | undefined {
  if (text === '') return undefined;
  if (!text.startsWith('{')) return parsePlatform(text);
  const { os, architecture, variant } = jsonOf(text);
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '') {
    throw new EngineError('InvalidArgument', 'both OS and Architecture must be provided', { layer: 'daemon' });
  }
  return normalize({ os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) });
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new EngineError('InvalidArgument', `failed to parse platform: ${(cause as Error).message}`, { layer: 'daemon', cause });
  }
}
