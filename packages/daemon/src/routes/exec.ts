// /containers/{id}/exec and /exec: the HTTP face of exec/. What goes wrong at a start shows on the hijacked stream, for its headers
// are out by then; the exit code tells the rest.
import type { ExecCreateRequest, ExecStartRequest } from '@berth/api/exec';
import { EXEC_CREATE, EXEC_START } from '@berth/api/request-shapes';
import { encodeFrame, STREAM } from '@berth/api/stdcopy';
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import { Router } from 'express';
import type { ContainerContext } from '../containers/context.ts';
import type { Execs } from '../exec/execs.ts';
import { hijack } from '../server/hijack.ts';
import { sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, spanOf } from '../server/request.ts';
import { terminalSize } from './containers.ts';

export function execRoutes(context: ContainerContext, execs: Execs): Router {
  const router = Router();

  router.post('/containers/:id/exec', async (request, response) => {
    const body = await jsonBody<ExecCreateRequest>(request, EXEC_CREATE, 'ExecConfig', true);
    if (!body.Cmd?.length) throw new EngineError('InvalidArgument', 'No exec command specified', { layer: 'daemon' });
    const reference = parameter(request, 'id');
    const container = context.store.get(reference);
    const exec = execs.create(container, reference, body);
    sendJson(response, 201, { Id: exec.id });
    execs.expectStart(exec, container);
  });

  router.post('/exec/:id/start', async (request, response) => {
    const body = await jsonBody<ExecStartRequest>(request, EXEC_START, 'ExecStartConfig');
    const { exec, container } = execs.claim(parameter(request, 'id'));
    const span = spanOf(request);
    if (body.Detach) {
      await execs.start(exec, container, body, undefined, span);
      sendEmpty(response, 200);
      return;
    }
    const terminal = exec.request.Tty === true;
    const client = hijack(request, response, !terminal);
    try {
      await execs.start(exec, container, body, client, span);
    } catch (error) {
      const text = Buffer.from(`${toEngineError(error).message}\r\n`);
      client.output.write(terminal ? text : encodeFrame(STREAM.stdout, text));
      client.end();
    }
  });

  router.post('/exec/:id/resize', async (request, response) => {
    const { height, width } = terminalSize(request);
    await execs.resize(execs.get(parameter(request, 'id')), height, width, spanOf(request));
    sendEmpty(response, 200);
  });

  router.get('/exec/:id/json', async (request, response) => {
    const exec = execs.get(parameter(request, 'id'));
    await exec.settled();
    sendJson(response, 200, exec.inspect());
  });

  return router;
}
