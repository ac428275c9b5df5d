// GET /containers/{id}/checkpoints
import type { CheckpointSummary } from '@berth/api/checkpoint';
import type { Engine } from '../engine.ts';

export function listCheckpoints(engine: Engine, container: string, directory?: string): Promise<CheckpointSummary[]> {
  return engine.json('GET', `/containers/${encodeURIComponent(container)}/checkpoints`, { query: { dir: directory } });
}
