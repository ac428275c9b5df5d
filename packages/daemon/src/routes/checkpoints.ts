// /containers/{id}/checkpoints: the HTTP face of containers/checkpoints.ts and create-checkpoint.ts.
import { CHECKPOINT_CREATE, type CheckpointCreateRequest } from '@berth/api/checkpoint';
import { type Request, Router } from 'express';
import { listCheckpoints, removeCheckpoint } from '../containers/checkpoints.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { createCheckpoint } from '../containers/create-checkpoint.ts';
import { sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, query, spanOf } from '../server/request.ts';

export function checkpointRoutes(context: ContainerContext): Router {
  const router = Router();
  const named = (request: Request): Container => context.store.get(parameter(request, 'id'));

  router.get('/containers/:id/checkpoints', (request, response) => {
    sendJson(response, 200, listCheckpoints(context, named(request), query(request, 'dir')));
  });

  router.post('/containers/:id/checkpoints', async (request, response) => {
    const body = await jsonBody<CheckpointCreateRequest>(request, CHECKPOINT_CREATE, 'CheckpointCreateRequest', true);
    await createCheckpoint(context, named(request), body, spanOf(request));
    sendEmpty(response, 201);
  });

  router.delete('/containers/:id/checkpoints/:checkpoint', (request, response) => {
    removeCheckpoint(context, named(request), parameter(request, 'checkpoint'), query(request, 'dir'));
    sendEmpty(response, 204);
  });

  return router;
}
