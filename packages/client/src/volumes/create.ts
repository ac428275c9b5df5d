// POST /volumes/create
import type { Volume, VolumeCreateRequest } from '@berth/api/volume';
import type { Engine } from '../engine.ts';

export function createVolume(engine: Engine, request: VolumeCreateRequest): Promise<Volume> {
  return engine.json('POST', '/volumes/create', { json: request });
}
