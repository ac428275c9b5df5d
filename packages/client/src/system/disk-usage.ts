// GET /system/df
import type { DiskUsageResponse } from '@berth/api/system';
import type { Engine } from '../engine.ts';

export function diskUsage(engine: Engine): Promise<DiskUsageResponse> {
  return engine.json('GET', '/system/df');
}
