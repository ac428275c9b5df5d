// POST /exec/{id}/start
import type { ExecStartRequest } from '@berth/api/exec';
import type { Engine, Hijacked } from '../engine.ts';

/** Starts an exec and takes over the connection. */
export function startExec(engine: Engine, id: string, request: ExecStartRequest): Promise<Hijacked> {
  return engine.hijack(`/exec/${encodeURIComponent(id)}/start`, {
    json: { ...request, Detach: false },
    headers: { 'Content-Type': 'application/json' },
  });
}

/** Starts an exec that nobody watches. */
export async function startExecDetached(engine: Engine, id: string, request: ExecStartRequest): Promise<void> {
  await engine.call('POST', `/exec/${encodeURIComponent(id)}/start`, { json: { ...request, Detach: true } });
}
