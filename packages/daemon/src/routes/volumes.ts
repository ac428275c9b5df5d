// /volumes: the HTTP face of volumes/.
import { Filters } from '@berth/api/filters';
import { VOLUME_CREATE } from '@berth/api/request-shapes';
import type { VolumeCreateRequest } from '@berth/api/volume';
import { Router } from 'express';
import { sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, query, queryBoolean, speaksAtLeast } from '../server/request.ts';
import { VOLUME_FILTERS, VOLUME_PRUNE_FILTERS, type Volumes } from '../volumes/volumes.ts';

export function volumeRoutes(volumes: Volumes): Router {
  const router = Router();

  router.get('/volumes', async (request, response) => {
    const found = await volumes.list(Filters.parse(query(request, 'filters'), VOLUME_FILTERS));
    sendJson(response, 200, { Volumes: found, Warnings: null });
  });

  router.post('/volumes/create', async (request, response) => {
    sendJson(response, 201, await volumes.ensure(await jsonBody<VolumeCreateRequest>(request, VOLUME_CREATE, 'VolumeCreateRequest')));
  });

  router.post('/volumes/prune', (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), VOLUME_PRUNE_FILTERS);
    const { deleted, bytes } = volumes.prune(filters, { namedToo: !speaksAtLeast(request, '1.42') });
    sendJson(response, 200, { VolumesDeleted: deleted, SpaceReclaimed: bytes });
  });

  router.get('/volumes/:name', async (request, response) => {
    sendJson(response, 200, await volumes.inspect(parameter(request, 'name')));
  });

  router.delete('/volumes/:name', async (request, response) => {
    await volumes.remove(parameter(request, 'name'), queryBoolean(request, 'force'));
    sendEmpty(response, 204);
  });

  return router;
}
