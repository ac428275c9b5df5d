// GET /images/json
import type { ImageSummary } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function listImages(
  engine: Engine,
  options: { all?: boolean; filters?: Filters; manifests?: boolean } = {},
): Promise<ImageSummary[]> {
  return engine.json('GET', '/images/json', {
    query: { all: options.all, filters: encodeFilters(options.filters), manifests: options.manifests },
  });
}
