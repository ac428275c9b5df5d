// GET /containers/{id}/trace: Berth's own; the spans of the container's last start.
import type { SpanRecord } from '@berth/trace/tracer';
import type { Engine } from '../engine.ts';

export interface ContainerTrace {
  ContainerId: string;
  /** '' when the container was never started. */
  TraceId: string;
  Spans: SpanRecord[];
}

export function containerTrace(engine: Engine, id: string): Promise<ContainerTrace> {
  return engine.json('GET', `/containers/${encodeURIComponent(id)}/trace`);
}
