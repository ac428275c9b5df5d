// POST /containers/{id}/rename
import type { Engine } from '../engine.ts';

export async function renameContainer(engine: Engine, id: string, name: string): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/rename`, { query: { name } });
}
