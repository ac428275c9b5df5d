// POST /containers/{id}/wait. The daemon sends its headers at once and the body when the container has exited, so a client can be
// sure that it is waiting before it starts the container.
import type { ContainerWaitResponse } from '@berth/api/container';
import { type Engine, readText } from '../engine.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Resolves once the daemon waits; `exit` resolves with the container's exit. */
export async function waitContainer(
  engine: Engine,
  id: string,
  condition: WaitCondition = 'not-running',
  signal?: AbortSignal,
): Promise<{ exit: Promise<ContainerWaitResponse> }> {
  const response = await engine.request('POST', `/containers/${encodeURIComponent(id)}/wait`, {
    query: { condition },
    ...(signal ? { signal } : {}),
  });
  return { exit: readText(response).then((text) => JSON.parse(text) as ContainerWaitResponse) };
}
