// GET /volumes
import type { VolumeListResponse } from '@berth/api/volume';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function listVolumes(engine: Engine, filters?: Filters): Promise<VolumeListResponse> {
  return engine.json('GET', '/volumes', { query: { filters: encodeFilters(filters) } });
}
