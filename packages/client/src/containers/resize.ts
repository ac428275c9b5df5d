// POST /containers/{id}/resize
import type { Engine } from '../engine.ts';

export async function resizeContainer(engine: Engine, id: string, size: { rows: number; columns: number }): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/resize`, { query: { h: size.rows, w: size.columns } });
}
