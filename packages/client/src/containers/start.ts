// POST /containers/{id}/start
import type { Engine } from '../engine.ts';

export interface StartOptions {
  detachKeys?: string | undefined;
  /** It begins at this checkpoint, of its own or in the directory. */
  checkpoint?: string | undefined;
  checkpointDir?: string | undefined;
}

/** False when the container was running already. */
export function startContainer(engine: Engine, id: string, options: StartOptions = {}): Promise<boolean> {
  const { detachKeys, checkpoint, checkpointDir } = options;
  return engine.call('POST', `/containers/${encodeURIComponent(id)}/start`, {
    query: { detachKeys, checkpoint, 'checkpoint-dir': checkpointDir },
  });
}
