// GET /containers/{id}/export
import type { Engine } from '../engine.ts';

/** The container's file system as a tar stream. */
export function exportContainer(engine: Engine, id: string): Promise<NodeJS.ReadableStream> {
  return engine.request('GET', `/containers/${encodeURIComponent(id)}/export`);
}
