// DELETE /networks/{id}
import type { Engine } from '../engine.ts';

export async function removeNetwork(engine: Engine, id: string): Promise<void> {
  await engine.call('DELETE', `/networks/${encodeURIComponent(id)}`);
}
