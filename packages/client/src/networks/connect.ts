// POST /networks/{id}/connect
import type { NetworkConnectRequest } from '@berth/api/network';
import type { Engine } from '../engine.ts';

export async function connectNetwork(engine: Engine, id: string, request: NetworkConnectRequest): Promise<void> {
  await engine.call('POST', `/networks/${encodeURIComponent(id)}/connect`, { json: request });
}
