// GET /exec/{id}/json
import type { ExecInspect } from '@berth/api/exec';
import type { Engine } from '../engine.ts';

export function inspectExec(engine: Engine, id: string): Promise<ExecInspect> {
  return engine.json('GET', `/exec/${encodeURIComponent(id)}/json`);
}
