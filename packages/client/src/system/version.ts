// GET /version
import type { VersionResponse } from '@berth/api/system';
import type { Engine } from '../engine.ts';

export function daemonVersion(engine: Engine): Promise<VersionResponse> {
  return engine.json('GET', '/version');
}
