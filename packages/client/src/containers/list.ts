// GET /containers/json
import type { ContainerSummary } from '@berth/api/container';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function listContainers(
  engine: Engine,
  options: { all?: boolean; limit?: number; size?: boolean; filters?: Filters } = {},
): Promise<ContainerSummary[]> {
  const { filters, ...query } = options;
  return engine.json('GET', '/containers/json', { query: { ...query, filters: encodeFilters(filters) } });
}
