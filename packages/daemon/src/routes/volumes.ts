// /volumes: the HTTP face of volumes/.
import { pipeline } from 'node:stream/promises';
import { Filters } from '@berth/api/filters';
import { VOLUME_CREATE } from '@berth/api/request-shapes';
import type { VolumeCreateRequest } from '@berth/api/volume';
import { Router } from 'express';
import { uncompressed } from '../images/uncompressed.ts';
import { sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, query, queryBoolean, speaksAtLeast, streamedBody } from '../server/request.ts';
import type { VolumeContents } from '../volumes/volume-contents.ts';
import { VOLUME_FILTERS, VOLUME_PRUNE_FILTERS, type Volumes } from '../volumes/volumes.ts';

export function volumeRoutes(volumes: Volumes, contents: VolumeContents): Router {
  const router = Router();

  router.get('/volumes', async (request, response) => {
    sendJson(response, 200, await volumes.list(Filters.parse(query(request, 'filters'), VOLUME_FILTERS)));
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

  // From here on Berth's own.
  router.post('/volumes/:name/rename', (request, response) => {
    volumes.rename(parameter(request, 'name'), query(request, 'name'));
    sendEmpty(response, 204);
  });

  router.get('/volumes/:name/export', async (request, response) => {
    await contents.export(parameter(request, 'name'), async (archive) => {
      response.writeHead(200, { 'Content-Type': 'application/x-tar' });
      await pipeline(archive, response);
    });
  });

  router.post('/volumes/:name/import', async (request, response) => {
    await contents.import(parameter(request, 'name'), uncompressed(streamedBody(request)));
    sendEmpty(response, 204);
  });

  router.get('/volumes/:name/snapshots', (request, response) => {
    sendJson(response, 200, contents.snapshots(parameter(request, 'name')));
  });

  router.post('/volumes/:name/snapshots', async (request, response) => {
    sendJson(response, 201, await contents.snapshot(parameter(request, 'name'), query(request, 'name')));
  });

  router.post('/volumes/:name/snapshots/:snapshot/restore', async (request, response) => {
    await contents.restore(parameter(request, 'name'), parameter(request, 'snapshot'));
    sendEmpty(response, 204);
  });

  router.delete('/volumes/:name/snapshots/:snapshot', (request, response) => {
    contents.removeSnapshot(parameter(request, 'name'), parameter(request, 'snapshot'));
    sendEmpty(response, 204);
  });

  return router;
}
