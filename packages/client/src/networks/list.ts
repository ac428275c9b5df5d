// GET /networks
import type { NetworkResource } from '@berth/api/network';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';

export function listNetworks(engine: Engine, filters?: Filters): Promise<NetworkResource[]> {
  return engine.json('GET', '/networks', { query: { filters: encodeFilters(filters) } });
}
