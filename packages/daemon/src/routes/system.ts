// The engine itself: /_ping, /version, /info, /events, /system/df.
import { Filters } from '@berth/api/filters';
import { Router } from 'express';
import { type EngineEvent, EVENT_FILTERS, matchesEvent, serializeEvent } from '../events/events.ts';
import { beginStream, clientGone, sendJson } from '../server/reply.ts';
import { query, queryList, speaking, speaksAtLeast } from '../server/request.ts';
import { nowNanoseconds, parseTimestamp } from '../state/clock.ts';
import { diskUsageFor, infoFor } from '../system/for-version.ts';
import type { SystemInfo } from '../system/system-info.ts';

export function systemRoutes(system: SystemInfo): Router {
  const router = Router();

  router.get('/_ping', (request, response) => {
    response.set({
      'Builder-Version': '1',
      Swarm: 'inactive',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': request.method === 'HEAD' ? '0' : '2',
    });
    response.status(200).end(request.method === 'HEAD' ? undefined : 'OK');
  });

  router.get('/version', async (_request, response) => sendJson(response, 200, await system.version()));

  router.get('/info', async (request, response) => sendJson(response, 200, infoFor(speaking(request), await system.info())));

  router.get('/system/df', async (request, response) => {
    const speaks = speaking(request);
    const usage = await system.diskUsage(speaks('1.42') ? queryList(request, 'type') : []);
    sendJson(response, 200, diskUsageFor(speaks, usage));
  });

  router.get('/events', (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), EVENT_FILTERS);
    const since = parseTimestamp(query(request, 'since'));
    const until = parseTimestamp(query(request, 'until'));
    beginStream(response, speaksAtLeast(request, '1.52') ? 'application/jsonl' : 'application/json');
    const hidden = (event: EngineEvent) => event.Type === 'image' && event.Action === 'create' && !speaksAtLeast(request, '1.46');
    const send = (event: EngineEvent) => {
      if (hidden(event)) return;
      if (matchesEvent(event, filters) && (until === undefined || event.moment <= until)) response.write(serializeEvent(event));
    };
    if (since !== undefined) for (const event of system.events.since(since)) send(event);
    if (until !== undefined && until <= nowNanoseconds()) {
      response.end();
      return;
    }
    const subscription = system.events.subscribe(send);
    const timer = until === undefined ? undefined : setTimeout(() => response.end(), Number((until - nowNanoseconds()) / 1_000_000n));
    clientGone(response).addEventListener('abort', () => {
      subscription[Symbol.dispose]();
      clearTimeout(timer);
    });
  });

  return router;
}
