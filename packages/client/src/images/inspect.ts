// GET /images/{name}/json
import type { ImageInspect } from '@berth/api/image';
import { type Engine, imagePath } from '../engine.ts';

export function inspectImage(engine: Engine, name: string, options: { platform?: string } = {}): Promise<ImageInspect> {
  return engine.json('GET', `/images/${imagePath(name)}/json`, { query: options });
}
