// /containers: the HTTP face of containers/.
import type { ContainerCreateRequest } from '@berth/api/container';
import { drained } from '@berth/api/drained';
import { Filters } from '@berth/api/filters';
import type { Resources, RestartPolicy } from '@berth/api/host-config';
import { CONTAINER_CREATE, CONTAINER_UPDATE } from '@berth/api/request-shapes';
import { EngineError, prefixed } from '@berth/errdefs/engine-error';
import { type Request, Router } from 'express';
import { attachContainer } from '../containers/attach.ts';
import { changesOf } from '../containers/changes.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { createContainer } from '../containers/create.ts';
import { inspectContainer } from '../containers/describe.ts';
import { inspectFor, summaryFor } from '../containers/for-version.ts';
import { killContainer, stopContainer } from '../containers/kill.ts';
import { LIST_FILTERS, listContainers } from '../containers/list.ts';
import { frameEntry, readLog } from '../containers/logs.ts';
import { pauseContainer, unpauseContainer } from '../containers/pause.ts';
import { prepareRootfs } from '../containers/prepare.ts';
import { PRUNE_FILTERS, pruneContainers } from '../containers/prune.ts';
import { removeContainer } from '../containers/remove.ts';
import { renameContainer } from '../containers/rename.ts';
import { resizeContainer } from '../containers/resize.ts';
import { restartContainer } from '../containers/restart.ts';
import { startContainer } from '../containers/start.ts';
import { sampleStats, streamStats } from '../containers/stats.ts';
import { topContainer } from '../containers/top.ts';
import { updateContainer } from '../containers/update.ts';
import { parseCondition, waitFor } from '../containers/wait.ts';
import { hijack } from '../server/hijack.ts';
import { beginStream, clientGone, sendEmpty, sendJson } from '../server/reply.ts';
import { jsonBody, parameter, query, queryBoolean, queryInteger, spanOf, speaking, speaksAtLeast } from '../server/request.ts';
import { checkWebSocket, openWebSocket } from '../server/websocket.ts';
import { parseTimestamp } from '../state/clock.ts';

export function containerRoutes(context: ContainerContext): Router {
  const router = Router();
  const named = (request: Request): Container => context.store.get(parameter(request, 'id'));

  router.get('/containers/json', async (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), LIST_FILTERS);
    const options = {
      all: queryBoolean(request, 'all'),
      limit: queryInteger(request, 'limit'),
      size: queryBoolean(request, 'size'),
      filters,
    };
    const listed = await listContainers(context, options);
    sendJson(
      response,
      200,
      listed.map((summary) => summaryFor(speaking(request), summary)),
    );
  });

  router.post('/containers/create', async (request, response) => {
    const body = await jsonBody<ContainerCreateRequest>(request, CONTAINER_CREATE, 'ContainerCreateRequest', true);
    const options = { name: query(request, 'name'), platform: query(request, 'platform') };
    sendJson(response, 201, await createContainer(context, body, options, spanOf(request)));
  });

  router.post('/containers/prune', async (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), PRUNE_FILTERS);
    sendJson(response, 200, await pruneContainers(context, filters, spanOf(request)));
  });

  router.get('/containers/:id/json', async (request, response) => {
    const container = named(request);
    // Where its layers are is known once they are there; what went wrong with them is the start's to tell.
    await container.prepared?.catch(() => {});
    const inspected = inspectContainer(context, container, { size: queryBoolean(request, 'size') });
    sendJson(response, 200, inspectFor(speaking(request), inspected));
  });

  router.get('/containers/:id/top', async (request, response) => {
    sendJson(response, 200, await topContainer(context, named(request), query(request, 'ps_args'), spanOf(request)));
  });

  router.get('/containers/:id/changes', async (request, response) => {
    const container = named(request);
    await prepareRootfs(context, container, spanOf(request));
    sendJson(response, 200, await changesOf(context, container));
  });

  router.get('/containers/:id/logs', async (request, response) => {
    const container = named(request);
    const stdout = queryBoolean(request, 'stdout');
    const stderr = queryBoolean(request, 'stderr');
    if (!stdout && !stderr)
      throw new EngineError('InvalidArgument', 'Bad parameters: you must choose at least one stream', { layer: 'daemon' });
    const options = {
      stdout,
      stderr,
      follow: queryBoolean(request, 'follow'),
      tail: tailOf(query(request, 'tail')),
      since: parseTimestamp(query(request, 'since')),
      until: parseTimestamp(query(request, 'until')),
    };
    const form = {
      terminal: container.terminal,
      timestamps: queryBoolean(request, 'timestamps'),
      details: queryBoolean(request, 'details'),
    };
    const gone = clientGone(response);
    const entries = readLog(context, container, options, gone);
    // A log that cannot be read says so before the stream begins.
    if (container.record.logPath === '') await entries.next();
    const framed = !container.terminal && speaksAtLeast(request, '1.42');
    beginStream(response, `application/vnd.docker.${framed ? 'multiplexed' : 'raw'}-stream`);
    for await (const entry of entries) {
      if (gone.aborted) return;
      if (!response.write(frameEntry(entry, form))) await drained(response);
    }
    response.end();
  });

  router.get('/containers/:id/stats', async (request, response) => {
    const container = named(request);
    if (!queryBoolean(request, 'stream', true)) {
      sendJson(response, 200, await sampleStats(context, container, queryBoolean(request, 'one-shot')));
      return;
    }
    beginStream(response, 'application/json');
    for await (const sample of streamStats(context, container, clientGone(response))) response.write(`${JSON.stringify(sample)}\n`);
    response.end();
  });

  router.post('/containers/:id/start', async (request, response) => {
    const name = query(request, 'checkpoint');
    const checkpoint = name === '' ? undefined : { name, directory: query(request, 'checkpoint-dir') };
    await startContainer(context, named(request), spanOf(request), checkpoint);
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/stop', async (request, response) => {
    await stopContainer(context, named(request), stopOptions(request), spanOf(request));
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/restart', async (request, response) => {
    await restartContainer(context, named(request), stopOptions(request), spanOf(request));
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/kill', async (request, response) => {
    const name = parameter(request, 'id');
    try {
      await killContainer(context, context.store.get(name), query(request, 'signal'), spanOf(request));
    } catch (thrown) {
      throw prefixed(thrown, `cannot kill container: ${name}: `);
    }
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/pause', async (request, response) => {
    await pauseContainer(context, named(request), spanOf(request));
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/unpause', async (request, response) => {
    await unpauseContainer(context, named(request), spanOf(request));
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/rename', async (request, response) => {
    await renameContainer(context, named(request), query(request, 'name'));
    sendEmpty(response, 204);
  });

  router.post('/containers/:id/update', async (request, response) => {
    const body = await jsonBody<Resources & { RestartPolicy?: RestartPolicy }>(request, CONTAINER_UPDATE, 'UpdateConfig', true);
    await updateContainer(context, named(request), body, spanOf(request));
    sendJson(response, 200, { Warnings: [] });
  });

  router.post('/containers/:id/resize', async (request, response) => {
    const { height, width } = terminalSize(request);
    await resizeContainer(context, named(request), height, width, spanOf(request));
    sendEmpty(response, 200);
  });

  router.post('/containers/:id/wait', async (request, response) => {
    const container = named(request);
    const condition = parseCondition(query(request, 'condition'));
    const result = waitFor(container, condition, clientGone(response));
    beginStream(response, 'application/json');
    response.end(`${JSON.stringify(await result)}\n`);
  });

  router.post('/containers/:id/attach', async (request, response) => {
    const container = named(request);
    const wish = {
      stdin: queryBoolean(request, 'stdin'),
      stdout: queryBoolean(request, 'stdout'),
      stderr: queryBoolean(request, 'stderr'),
      stream: queryBoolean(request, 'stream'),
      logs: queryBoolean(request, 'logs'),
      detachKeys: query(request, 'detachKeys'),
    };
    await attachContainer(context, container, wish, () => hijack(request, response, !container.terminal));
  });

  router.get('/containers/:id/attach/ws', async (request, response) => {
    const container = named(request);
    checkWebSocket(request);
    // All streams, before they could be chosen.
    const wants = (stream: string) => !speaksAtLeast(request, '1.42') || queryBoolean(request, stream);
    const wish = {
      stdin: wants('stdin'),
      stdout: wants('stdout'),
      stderr: wants('stderr'),
      stream: queryBoolean(request, 'stream'),
      logs: queryBoolean(request, 'logs'),
      detachKeys: query(request, 'detachKeys'),
    };
    await attachContainer(context, container, wish, () => openWebSocket(request, response, !container.terminal));
  });

  router.delete('/containers/:id', async (request, response) => {
    const options = { force: queryBoolean(request, 'force'), volumes: queryBoolean(request, 'v') };
    await removeContainer(context, named(request), options, spanOf(request));
    sendEmpty(response, 204);
  });

  return router;
}

export function terminalSize(request: Request): { height: number; width: number } {
  return { height: dimension(request, 'height', 'h'), width: dimension(request, 'width', 'w') };
}

function dimension(request: Request, what: string, name: string): number {
  const text = query(request, name);
  const wrong = !/^-?\d+$/.test(text)
    ? 'invalid syntax'
    : Number(text) < 0 || Number(text) > 0xffff_ffff
      ? 'value out of range'
      : undefined;
  if (wrong) throw new EngineError('InvalidArgument', `invalid resize ${what} ${JSON.stringify(text)}: ${wrong}`, { layer: 'daemon' });
  return Number(text);
}

function stopOptions(request: Request): { seconds?: number; signal?: string } {
  return { seconds: queryInteger(request, 't'), signal: query(request, 'signal') || undefined };
}

/** `all`, nothing or nonsense is everything, as with dockerd. */
function tailOf(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
