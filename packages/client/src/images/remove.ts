// DELETE /images/{name}
import type { ImageDeleteItem } from '@berth/api/image';
import { type Engine, imagePath } from '../engine.ts';

export function removeImage(
  engine: Engine,
  name: string,
  options: { force?: boolean; noPrune?: boolean; platforms?: string[] } = {},
): Promise<ImageDeleteItem[]> {
  return engine.json('DELETE', `/images/${imagePath(name)}`, {
    query: { force: options.force, noprune: options.noPrune, platforms: options.platforms },
  });
}
