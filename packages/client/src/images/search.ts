// GET /images/search
import type { ImageSearchItem } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function searchImages(
  engine: Engine,
  term: string,
  options: { limit?: number; filters?: Filters } = {},
): Promise<ImageSearchItem[]> {
  return engine.json('GET', '/images/search', { query: { term, limit: options.limit, filters: encodeFilters(options.filters) } });
}
