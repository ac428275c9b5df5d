// GET /containers/{id}/changes
import type { FilesystemChange } from '@berth/api/container';
import type { Engine } from '../engine.ts';

export async function containerChanges(engine: Engine, id: string): Promise<FilesystemChange[]> {
  return (await engine.json<FilesystemChange[] | null>('GET', `/containers/${encodeURIComponent(id)}/changes`)) ?? [];
}
