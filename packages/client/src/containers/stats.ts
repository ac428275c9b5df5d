// GET /containers/{id}/stats
import type { ContainerStats } from '@berth/api/stats';
import type { Engine } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';

export async function* containerStats(
  engine: Engine,
  id: string,
  options: { stream: boolean; signal?: AbortSignal },
): AsyncGenerator<ContainerStats> {
  const { stream, signal } = options;
  yield* jsonValues<ContainerStats>(
    await engine.request('GET', `/containers/${encodeURIComponent(id)}/stats`, {
      query: { stream: stream ? 'true' : 'false' },
      ...(signal ? { signal } : {}),
    }),
  );
}
