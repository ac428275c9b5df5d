// DELETE /containers/{id}/checkpoints/{checkpoint}
import type { Engine } from '../engine.ts';

export async function removeCheckpoint(engine: Engine, container: string, name: string, directory?: string): Promise<void> {
  const path = `/containers/${encodeURIComponent(container)}/checkpoints/${encodeURIComponent(name)}`;
  await engine.call('DELETE', path, { query: { dir: directory } });
}
