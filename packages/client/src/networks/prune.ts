// POST /networks/prune
import type { NetworksPruneResponse } from '@berth/api/network';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function pruneNetworks(engine: Engine, filters?: Filters): Promise<NetworksPruneResponse> {
  return engine.json('POST', '/networks/prune', { query: { filters: encodeFilters(filters) } });
}
