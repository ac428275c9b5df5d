// GET /containers/{id}/trace: Berth's own; the spans of the container's last start.
import type { SpanRecord } from '@berth/trace/tracer';
import type { Engine } from '../engine.ts';

export function containerTrace(engine: Engine, id: string): Promise<SpanRecord[]> {
  return engine.json('GET', `/containers/${encodeURIComponent(id)}/trace`);
}
