// POST /containers/{id}/update
import type { ContainerUpdateResponse } from '@berth/api/container';
import type { Resources, RestartPolicy } from '@berth/api/host-config';
import type { Engine } from '../engine.ts';

export function updateContainer(
  engine: Engine,
  id: string,
  changes: Resources & { RestartPolicy?: RestartPolicy },
): Promise<ContainerUpdateResponse> {
  return engine.json('POST', `/containers/${encodeURIComponent(id)}/update`, { json: changes });
}
