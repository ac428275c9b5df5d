// POST /volumes/prune
import type { VolumesPruneResponse } from '@berth/api/volume';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function pruneVolumes(engine: Engine, filters?: Filters): Promise<VolumesPruneResponse> {
  return engine.json('POST', '/volumes/prune', { query: { filters: encodeFilters(filters) } });
}
