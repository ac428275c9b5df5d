// POST /containers/{id}/exec
import type { ExecCreateRequest, ExecCreateResponse } from '@berth/api/exec';
import type { Engine } from '../engine.ts';

export function createExec(engine: Engine, container: string, request: ExecCreateRequest): Promise<ExecCreateResponse> {
  return engine.json('POST', `/containers/${encodeURIComponent(container)}/exec`, { json: request });
}
