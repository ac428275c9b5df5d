// DELETE /volumes/{name}
import type { Engine } from '../engine.ts';

export async function removeVolume(engine: Engine, name: string, options: { force?: boolean } = {}): Promise<void> {
  await engine.call('DELETE', `/volumes/${encodeURIComponent(name)}`, { query: { force: options.force } });
}
