// GET /volumes/{name}
import type { Volume } from '@berth/api/volume';
import type { Engine } from '../engine.ts';

export function inspectVolume(engine: Engine, name: string): Promise<Volume> {
  return engine.json('GET', `/volumes/${encodeURIComponent(name)}`);
}
