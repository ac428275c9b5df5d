// POST /containers/{id}/pause and /unpause
import type { Engine } from '../engine.ts';

export async function pauseContainer(engine: Engine, id: string): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/pause`);
}

export async function unpauseContainer(engine: Engine, id: string): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/unpause`);
}
