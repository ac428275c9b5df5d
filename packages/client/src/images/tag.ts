// POST /images/{name}/tag
import { type Engine, imagePath } from '../engine.ts';

export async function tagImage(engine: Engine, source: string, target: { repo: string; tag?: string }): Promise<void> {
  await engine.call('POST', `/images/${imagePath(source)}/tag`, { query: { repo: target.repo, tag: target.tag } });
}
