// GET /containers/{id}/trace, Berth's own: the spans of a container's last start, from every layer, for `berth trace`.
import { Router } from 'express';
import type { ContainerStore } from '../containers/container-store.ts';
import { sendJson } from '../server/reply.ts';
import { parameter } from '../server/request.ts';
import type { TraceFiles } from '../system/trace-files.ts';

export function traceRoutes(store: ContainerStore, traces: TraceFiles): Router {
  const router = Router();
  router.get('/containers/:id/trace', async (request, response) => {
    const { id, traceId } = store.get(parameter(request, 'id')).record;
    sendJson(response, 200, { ContainerId: id, TraceId: traceId ?? '', Spans: traceId === undefined ? [] : await traces.read(traceId) });
  });
  return router;
}
