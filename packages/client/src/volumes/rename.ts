// POST /volumes/{name}/rename: Berth's own.
import type { Engine } from '../engine.ts';

export async function renameVolume(engine: Engine, name: string, to: string): Promise<void> {
  await engine.call('POST', `/volumes/${encodeURIComponent(name)}/rename`, { query: { name: to } });
}
