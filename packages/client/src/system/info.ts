// GET /info
import type { InfoResponse } from '@berth/api/system';
import type { Engine } from '../engine.ts';

export function daemonInfo(engine: Engine): Promise<InfoResponse> {
  return engine.json('GET', '/info');
}
