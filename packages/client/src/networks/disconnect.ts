// POST /networks/{id}/disconnect
import type { NetworkDisconnectRequest } from '@berth/api/network';
import type { Engine } from '../engine.ts';

export async function disconnectNetwork(engine: Engine, id: string, request: NetworkDisconnectRequest): Promise<void> {
  await engine.call('POST', `/networks/${encodeURIComponent(id)}/disconnect`, { json: request });
}
