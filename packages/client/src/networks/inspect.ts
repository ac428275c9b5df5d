// GET /networks/{id}
import type { NetworkResource } from '@berth/api/network';
import type { Engine } from '../engine.ts';

export function inspectNetwork(engine: Engine, id: string): Promise<NetworkResource> {
  return engine.json('GET', `/networks/${encodeURIComponent(id)}`);
}
