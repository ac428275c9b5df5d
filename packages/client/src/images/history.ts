// GET /images/{name}/history
import type { ImageHistoryItem } from '@berth/api/image';
import { type Engine, imagePath } from '../engine.ts';

export function imageHistory(engine: Engine, name: string, options: { platform?: string } = {}): Promise<ImageHistoryItem[]> {
  return engine.json('GET', `/images/${imagePath(name)}/history`, { query: options });
}
