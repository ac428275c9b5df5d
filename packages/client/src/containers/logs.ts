// GET /containers/{id}/logs
import type { IncomingMessage } from 'node:http';
import type { Engine } from '../engine.ts';

export interface LogsOptions {
  stdout?: boolean;
  stderr?: boolean;
  follow?: boolean;
  /** Unix seconds, with a fraction. */
  since?: string;
  until?: string;
  timestamps?: boolean;
  details?: boolean;
  /** `all` or a number of lines. */
  tail?: string;
}

/** The body is stdcopy frames, or raw bytes when the container has a terminal. */
export function containerLogs(engine: Engine, id: string, options: LogsOptions): Promise<IncomingMessage> {
  return engine.request('GET', `/containers/${encodeURIComponent(id)}/logs`, { query: { ...options } });
}
