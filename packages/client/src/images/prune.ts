// POST /images/prune
import type { ImagesPruneResponse } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function pruneImages(engine: Engine, filters?: Filters): Promise<ImagesPruneResponse> {
  return engine.json('POST', '/images/prune', { query: { filters: encodeFilters(filters) } });
}
