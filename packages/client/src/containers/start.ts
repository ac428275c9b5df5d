// POST /containers/{id}/start
import type { Engine } from '../engine.ts';

/** False when the container was running already. */
export function startContainer(engine: Engine, id: string, options: { detachKeys?: string } = {}): Promise<boolean> {
  return engine.call('POST', `/containers/${encodeURIComponent(id)}/start`, { query: { detachKeys: options.detachKeys } });
}
