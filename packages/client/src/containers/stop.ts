// POST /containers/{id}/stop and /restart
import type { Engine } from '../engine.ts';

export interface StopOptions {
  signal?: string;
  /** Seconds until SIGKILL; -1 waits for ever. */
  timeout?: number;
}

/** False when the container was not running. */
export function stopContainer(engine: Engine, id: string, options: StopOptions = {}): Promise<boolean> {
  return engine.call('POST', `/containers/${encodeURIComponent(id)}/stop`, { query: { signal: options.signal, t: options.timeout } });
}

export async function restartContainer(engine: Engine, id: string, options: StopOptions = {}): Promise<void> {
  await engine.call('POST', `/containers/${encodeURIComponent(id)}/restart`, { query: { signal: options.signal, t: options.timeout } });
}
