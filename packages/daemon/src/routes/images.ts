// The Engine API's images, and what it asks registries: paths, parameters and status codes. What they do is in ../images.
import { pipeline } from 'node:stream/promises';
import { Filters } from '@berth/api/filters';
import type { AuthConfig } from '@berth/api/image';
import { EngineError } from '@berth/errdefs/engine-error';
import { parseReference, parseRepositoryAndTag, withDefaultTag } from '@berth/oci/reference';
import { credentialsOf } from '@berth/oci/registry/credentials';
import { openAddress } from '@berth/oci/registry/open-address';
import { formatTraceparent } from '@berth/trace/context';
import express, { type Request, type Response, type Router } from 'express';
import { parseRate } from '../config/size.ts';
import { inspectFor, summaryFor } from '../images/for-version.ts';
import type { Image } from '../images/image.ts';
import type { ImageContext } from '../images/image-context.ts';
import { importImage } from '../images/import-image.ts';
import { imageHistory, inspectImage } from '../images/inspect-image.ts';
import { IMAGE_FILTERS, listImages } from '../images/list-images.ts';
import { loadImages } from '../images/load-images.ts';
import { platformParameter } from '../images/platform-parameter.ts';
import { ProgressOutput } from '../images/progress-output.ts';
import { PRUNE_FILTERS, pruneImages } from '../images/prune-images.ts';
import { pullImage } from '../images/pull-image.ts';
import { pushImage } from '../images/push-image.ts';
import { authOf } from '../images/registry-auth.ts';
import { inspectDistribution, login } from '../images/registry-login.ts';
import { removeImage } from '../images/remove-image.ts';
import { removePlatforms } from '../images/remove-platforms.ts';
import { saveImages } from '../images/save-images.ts';
import { SEARCH_FILTERS, searchImages } from '../images/search-images.ts';
import { tagImage } from '../images/tag-image.ts';
import { beginStream, clientGone, sendEmpty, sendJson } from '../server/reply.ts';
import {
  jsonBody,
  parameter,
  query,
  queryBoolean,
  queryInteger,
  queryList,
  requestState,
  speaking,
  streamedBody,
} from '../server/request.ts';

const AUTH_CONFIG = {
  fields: {
    username: 'string',
    password: 'string',
    auth: 'string',
    email: 'string',
    serveraddress: 'string',
    identitytoken: 'string',
    registrytoken: 'string',
  },
} as const;

export function imageRoutes(context: ImageContext): Router {
  const router = express.Router();

  router.get('/images/json', async (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), IMAGE_FILTERS);
    const summaries = await listImages(context, {
      filters,
      sharedSize: queryBoolean(request, 'shared-size'),
      manifests: queryBoolean(request, 'manifests'),
    });
    sendJson(
      response,
      200,
      summaries.map((summary) => summaryFor(speaking(request), summary)),
    );
  });

  router.post('/images/create', async (request, response) => {
    const output = new ProgressOutput(response);
    await output.during(() =>
      query(request, 'fromImage') === '' ? create(context, request, response, output) : pull(context, request, response, output),
    );
  });

  router.post('/images/prune', async (request, response) => {
    sendJson(response, 200, await pruneImages(context, Filters.parse(query(request, 'filters'), PRUNE_FILTERS)));
  });

  router.get('/images/get', (request, response) => save(context, queryList(request, 'names'), request, response));

  router.get('/images/*name/get', (request, response) => save(context, [parameter(request, 'name')], request, response));

  router.post('/images/load', async (request, response) => {
    const output = new ProgressOutput(response);
    const quiet = queryBoolean(request, 'quiet');
    const platforms = queryList(request, 'platform').flatMap((text) => platformParameter(text) ?? []);
    const load = { archive: streamedBody(request), quiet, platforms, signal: clientGone(response) };
    await output.during(() => loadImages(context, load, output.write));
  });

  router.get('/images/search', async (request, response) => {
    const found = await searchImages(context.hosts, {
      term: query(request, 'term'),
      limit: queryInteger(request, 'limit') ?? 0,
      filters: Filters.parse(query(request, 'filters'), SEARCH_FILTERS),
      credentials: credentialsOf(authOf(request.headers['x-registry-auth'])),
      signal: clientGone(response),
    });
    sendJson(response, 200, found);
  });

  router.get('/images/*name/json', async (request, response) => {
    const image = await imageFor(context, request);
    const inspected = await inspectImage(context, image, { manifests: queryBoolean(request, 'manifests') });
    sendJson(response, 200, inspectFor(speaking(request), inspected));
  });

  router.get('/images/*name/history', async (request, response) => {
    sendJson(response, 200, await imageHistory(context, await imageFor(context, request)));
  });

  router.post('/images/*name/tag', async (request, response) => {
    const image = await context.catalog.resolve(parameter(request, 'name'));
    const reference = parseRepositoryAndTag(query(request, 'repo'), query(request, 'tag'));
    if (reference.digest !== undefined)
      throw new EngineError('InvalidArgument', 'refusing to create a tag with a digest reference', { layer: 'daemon' });
    await tagImage(context, image, reference);
    sendEmpty(response, 201);
  });

  router.post('/images/*name/push', async (request, response) => {
    const name = parseReference(parameter(request, 'name'));
    const tag = query(request, 'tag');
    const reference = tag === '' ? name : parseRepositoryAndTag(parameter(request, 'name'), tag);
    if (reference.digest !== undefined) throw new EngineError('InvalidArgument', 'cannot push a digest reference', { layer: 'daemon' });
    const output = new ProgressOutput(response);
    const credentials = credentialsOf(authOf(request.headers['x-registry-auth']));
    const push = {
      reference,
      platform: platformParameter(query(request, 'platform')),
      credentials,
      rate: rateOf(request),
      trace: traceOf(request),
      signal: clientGone(response),
    };
    await output.during(() => pushImage(context, push, output.write));
  });

  router.delete('/images/*name', async (request, response) => {
    const name = parameter(request, 'name');
    const options = { force: queryBoolean(request, 'force') };
    const platforms = queryList(request, 'platforms').flatMap((text) => platformParameter(text) ?? []);
    const removed = platforms.length > 0 ? removePlatforms(context, name, platforms, options) : removeImage(context, name, options);
    sendJson(response, 200, await removed);
  });

  router.post('/auth', async (request, response) => {
    sendJson(
      response,
      200,
      await login(context.hosts, await jsonBody<AuthConfig>(request, AUTH_CONFIG, 'AuthConfig'), clientGone(response)),
    );
  });

  router.get('/distribution/*name/json', async (request, response) => {
    const reference = parseReference(parameter(request, 'name'));
    sendJson(
      response,
      200,
      await inspectDistribution(context.hosts, reference, credentialsOf(authOf(request.headers['x-registry-auth'])), clientGone(response)),
    );
  });

  return router;
}

async function save(context: ImageContext, names: readonly string[], request: Request, response: Response): Promise<void> {
  const platforms = queryList(request, 'platform').flatMap((text) => platformParameter(text) ?? []);
  const archive = await saveImages(context, names, platforms);
  beginStream(response, 'application/x-tar');
  await pipeline(archive, response);
}

async function pull(context: ImageContext, request: Request, response: Response, output: ProgressOutput): Promise<void> {
  // `pull -a` of older clients leaves a colon at the end of the name.
  const name = query(request, 'fromImage').replace(/:$/, '');
  const reference = parseRepositoryAndTag(name, query(request, 'tag'));
  const credentials = credentialsOf(authOf(request.headers['x-registry-auth']));
  const pull = {
    reference,
    platform: query(request, 'platform'),
    credentials,
    rate: rateOf(request),
    trace: traceOf(request),
    signal: clientGone(response),
  };
  await pullImage(context, pull, output.write);
}

async function create(context: ImageContext, request: Request, response: Response, output: ProgressOutput): Promise<void> {
  const source = query(request, 'fromSrc');
  const repository = query(request, 'repo');
  const reference = repository === '' ? undefined : withDefaultTag(parseRepositoryAndTag(repository, query(request, 'tag')));
  if (reference?.digest !== undefined) throw new EngineError('InvalidArgument', 'cannot import digest reference', { layer: 'daemon' });
  const signal = clientGone(response);
  const id = await importImage(context, {
    archive: source === '-' ? streamedBody(request) : download(source, output, signal),
    reference,
    message: query(request, 'message') || `Imported from ${source}`,
    changes: queryList(request, 'changes'),
    platform: query(request, 'platform'),
    signal,
  });
  output.write({ status: id });
}

async function* download(source: string, output: ProgressOutput, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const url = source.includes('://') ? source : `http://${source}`;
  if (!/^https?:\/\/./.test(url) || !URL.canParse(url))
    throw new EngineError('InvalidArgument', `fromSrc must be - or an http(s) address, not ${JSON.stringify(source)}`, { layer: 'daemon' });
  using opened = await openAddress(new URL(url), signal);
  const { statusCode } = opened.response;
  if (statusCode !== 200) throw new EngineError('Internal', `downloading ${url}: the server answered ${statusCode}`, { layer: 'daemon' });
  output.write({ status: `Downloading from ${url}` });
  yield* opened.body;
}

/** The image that the path names, of the platform that the query may name. */
async function imageFor(context: ImageContext, request: Request): Promise<Image> {
  const name = parameter(request, 'name');
  const image = await context.catalog.resolve(name);
  const platform = platformParameter(query(request, 'platform'));
  return platform ? context.catalog.forPlatform(image, platform, name) : image;
}

/** Berth's own parameter: `limitRate=500k`. */
function rateOf(request: Request): number | undefined {
  const text = query(request, 'limitRate');
  return text === '' ? undefined : parseRate(text);
}

function traceOf(request: Request): string {
  return formatTraceparent(requestState(request).span.context);
}
