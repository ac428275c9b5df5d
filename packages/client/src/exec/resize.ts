// POST /exec/{id}/resize
import type { Engine } from '../engine.ts';

export async function resizeExec(engine: Engine, id: string, size: { rows: number; columns: number }): Promise<void> {
  await engine.call('POST', `/exec/${encodeURIComponent(id)}/resize`, { query: { h: size.rows, w: size.columns } });
}
