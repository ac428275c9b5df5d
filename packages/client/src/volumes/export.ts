// GET /volumes/{name}/export: a volume's files as a tar stream. Berth's own.
import type { Engine } from '../engine.ts';

export function exportVolume(engine: Engine, name: string): Promise<NodeJS.ReadableStream> {
  return engine.request('GET', `/volumes/${encodeURIComponent(name)}/export`);
}
