// GET /containers/{id}/json
import type { ContainerInspect } from '@berth/api/container';
import type { Engine } from '../engine.ts';

export function inspectContainer(engine: Engine, id: string, options: { size?: boolean } = {}): Promise<ContainerInspect> {
  return engine.json('GET', `/containers/${encodeURIComponent(id)}/json`, { query: { size: options.size } });
}
