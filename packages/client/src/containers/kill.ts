// POST /containers/{id}/kill
import type { Engine } from '../engine.ts';

export async function killContainer(engine: Engine, id: string, signal?: string): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/kill`, { query: { signal } });
}
