// DELETE /containers/{id}
import type { Engine } from '../engine.ts';

export async function removeContainer(
  engine: Engine,
  id: string,
  options: { force?: boolean; volumes?: boolean; link?: boolean } = {},
): Promise<void> {
  await engine.call('DELETE', `/containers/${encodeURIComponent(id)}`, {
    query: { force: options.force, v: options.volumes, link: options.link },
  });
}
