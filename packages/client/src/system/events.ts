// GET /events
import type { EventMessage } from '@berth/api/event';
import type { Engine } from '../engine.ts';
import { encodeFilters, type Filters } from '../filters.ts';
import { jsonValues } from '../json-stream.ts';

export async function* daemonEvents(
  engine: Engine,
  options: { since?: string; until?: string; filters?: Filters; signal?: AbortSignal },
): AsyncGenerator<EventMessage> {
  const { since, until, filters, signal } = options;
  const response = await engine.request('GET', '/events', {
    query: { since, until, filters: encodeFilters(filters) },
    ...(signal ? { signal } : {}),
  });
  yield* jsonValues<EventMessage>(response);
}
