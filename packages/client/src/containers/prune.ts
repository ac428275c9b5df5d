// POST /containers/prune
import type { ContainersPruneResponse } from '@berth/api/container';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function pruneContainers(engine: Engine, filters?: Filters): Promise<ContainersPruneResponse> {
  return engine.json('POST', '/containers/prune', { query: { filters: encodeFilters(filters) } });
}
