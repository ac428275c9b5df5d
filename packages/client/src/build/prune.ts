// POST /build/prune
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export interface BuildPruneResponse {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}

/** `keep`: bytes that may stay. */
export function pruneBuildCache(
  engine: Engine,
  options: { all?: boolean; filters?: Filters; keep?: number } = {},
): Promise<BuildPruneResponse> {
  const { all, filters, keep } = options;
  return engine.json('POST', '/build/prune', { query: { all, filters: encodeFilters(filters), 'keep-storage': keep } });
}
