// POST /networks/create
import type { NetworkCreateRequest, NetworkCreateResponse } from '@berth/api/network';
import type { Engine } from '../engine.ts';

export function createNetwork(engine: Engine, request: NetworkCreateRequest): Promise<NetworkCreateResponse> {
  return engine.json('POST', '/networks/create', { json: request });
}
