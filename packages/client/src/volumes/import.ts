// POST /volumes/{name}/import: the files of an archive instead of those that the volume has. Berth's own.
import type { Engine } from '../engine.ts';

export async function importVolume(engine: Engine, name: string, archive: NodeJS.ReadableStream): Promise<void> {
  const headers = { 'Content-Type': 'application/x-tar' };
  await engine.call('POST', `/volumes/${encodeURIComponent(name)}/import`, { body: archive, headers });
}
