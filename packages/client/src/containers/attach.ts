// POST /containers/{id}/attach
import type { Engine, Hijacked } from '../engine.ts';

export interface AttachOptions {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  /** Replays the log first. */
  logs?: boolean;
  detachKeys?: string;
}

export function attachContainer(engine: Engine, id: string, options: AttachOptions): Promise<Hijacked> {
  return engine.hijack(`/containers/${encodeURIComponent(id)}/attach`, { query: { stream: true, ...options } });
}
