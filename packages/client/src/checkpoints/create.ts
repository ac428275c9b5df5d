// POST /containers/{id}/checkpoints
import type { CheckpointCreateRequest } from '@berth/api/checkpoint';
import type { Engine } from '../engine.ts';

export async function createCheckpoint(engine: Engine, container: string, request: CheckpointCreateRequest): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(container)}/checkpoints`, { json: request });
}
