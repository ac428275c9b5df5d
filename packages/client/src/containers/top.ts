// GET /containers/{id}/top
import type { ContainerTopResponse } from '@berth/api/container';
import type { Engine } from '../engine.ts';

export function topContainer(engine: Engine, id: string, psArguments: string): Promise<ContainerTopResponse> {
  return engine.json('GET', `/containers/${encodeURIComponent(id)}/top`, { query: { ps_args: psArguments } });
}
