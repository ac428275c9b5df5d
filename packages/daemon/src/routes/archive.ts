// /containers/{id}/archive and /containers/{id}/export: the HTTP face of containers/archive.ts.
import { pipeline } from 'node:stream/promises';
import type { PathStat } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Request, Router } from 'express';
import { type ContainerPath, exportContainer, readArchive, statPath, writeArchive } from '../containers/archive.ts';
import type { ContainerContext } from '../containers/context.ts';
import { uncompressed } from '../images/uncompressed.ts';
import { sendEmpty } from '../server/reply.ts';
import { parameter, query, queryBoolean, spanOf, streamedBody } from '../server/request.ts';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';

export function archiveRoutes(context: ContainerContext): Router {
  const router = Router();
  const named = (request: Request) => context.store.get(parameter(request, 'id'));

  router.head('/containers/:id/archive', async (request, response) => {
    response.setHeader(STAT_HEADER, encodeStat(await statPath(context, named(request), pathOf(request), spanOf(request))));
    sendEmpty(response, 200);
  });

  router.get('/containers/:id/archive', async (request, response) => {
    await readArchive(context, named(request), pathOf(request), spanOf(request), async (stat, archive) => {
      response.writeHead(200, { 'Content-Type': 'application/x-tar', [STAT_HEADER]: encodeStat(stat) });
      await pipeline(archive, response);
    });
  });

  router.put('/containers/:id/archive', async (request, response) => {
    const options = { keepKinds: queryBoolean(request, 'noOverwriteDirNonDir'), asUser: queryBoolean(request, 'copyUIDGID') };
    const archive = uncompressed(streamedBody(request));
    await writeArchive(context, named(request), pathOf(request), archive, options, spanOf(request));
    sendEmpty(response, 200);
  });

  router.get('/containers/:id/export', async (request, response) => {
    await exportContainer(context, named(request), spanOf(request), async (archive) => {
      response.writeHead(200, { 'Content-Type': 'application/x-tar' });
      await pipeline(archive, response);
    });
  });

  return router;
}

function pathOf(request: Request): ContainerPath {
  const path = query(request, 'path');
  if (path === '') throw new EngineError('InvalidArgument', 'bad parameter: path is missing', { layer: 'daemon' });
  return { path, reference: parameter(request, 'id') };
}

function encodeStat(stat: PathStat): string {
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}
