// The Engine API's builds: the classic builder's protocol, a tar in and JSON messages out. What they do is in ../builds.

import { Filters } from '@berth/api/filters';
import type { HostConfig } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { formatPlatform, parsePlatform } from '@berth/oci/platform';
import { parseReference, withDefaultTag } from '@berth/oci/reference';
import express, { type Request, type Router } from 'express';
import type { BuildParameters, Builds } from '../builds/build-image.ts';
import { momentOf } from '../images/list-images.ts';
import { ProgressOutput } from '../images/progress-output.ts';
import { authConfigsOf } from '../images/registry-auth.ts';
import { clientGone, sendEmpty, sendJson } from '../server/reply.ts';
import { query, queryBoolean, queryInteger, queryList, spanOf } from '../server/request.ts';

const CACHE_FILTERS = ['until', 'unused-for', 'label', 'label!'] as const;

export function buildRoutes(builds: Builds): Router {
  const router = express.Router();
  const running = new Map<string, AbortController>();

  router.post('/build', async (request, response) => {
    const parameters = parametersOf(request);
    const output = new ProgressOutput(response);
    const cancel = new AbortController();
    const id = query(request, 'buildid');
    if (id !== '') running.set(id, cancel);
    try {
      const signal = AbortSignal.any([clientGone(response), cancel.signal]);
      await output.during(() => builds.run(parameters, request, output.write, signal, spanOf(request)));
    } finally {
      running.delete(id);
    }
  });

  router.post('/build/cancel', (request, response) => {
    const id = query(request, 'id');
    if (id === '') throw new EngineError('InvalidArgument', 'build ID not provided', { layer: 'daemon' });
    running.get(id)?.abort(new EngineError('Cancelled', 'the build was cancelled', { layer: 'builder' }));
    sendEmpty(response, 204);
  });

  router.post('/build/prune', async (request, response) => {
    const filters = Filters.parse(query(request, 'filters'), CACHE_FILTERS);
    const [until] = ['until', 'unused-for'].flatMap((key) => filters.get(key));
    // The cache has no labels: no label is on all of it.
    if (filters.has('label')) return sendJson(response, 200, { CachesDeleted: [], SpaceReclaimed: 0 });
    const keep = queryInteger(request, 'reserved-space') ?? queryInteger(request, 'keep-storage') ?? 0;
    sendJson(response, 200, await builds.prune({ before: until === undefined ? undefined : momentOf(until), keep }));
  });

  return router;
}

function parametersOf(request: Request): BuildParameters {
  if (query(request, 'version') === '2') {
    throw new EngineError('NotImplemented', 'this daemon has the classic builder only: set DOCKER_BUILDKIT=0', { layer: 'daemon' });
  }
  if (query(request, 'remote') !== '') {
    throw new EngineError(
      'NotImplemented',
      `building from an address is not supported (${query(request, 'remote')}): download it and send it as the context`,
      {
        layer: 'daemon',
      },
    );
  }
  if (queryBoolean(request, 'squash'))
    throw new EngineError('InvalidArgument', 'squash is only supported with experimental mode', { layer: 'daemon' });
  const platform = query(request, 'platform');
  return {
    dockerfile: query(request, 'dockerfile'),
    names: queryList(request, 't')
      .filter(Boolean)
      .map((name) => withDefaultTag(parseReference(name))),
    target: query(request, 'target'),
    platform: platform === '' ? undefined : formatPlatform(parsePlatform(platform)),
    buildArgs: jsonQuery(request, 'buildargs', {}),
    labels: jsonQuery(request, 'labels', {}),
    hostConfig: hostConfigOf(request),
    auth: authConfigsOf(request.headers['x-registry-config']),
    useCache: !queryBoolean(request, 'nocache'),
    cacheFrom: jsonQuery(request, 'cachefrom', []),
    pull: queryBoolean(request, 'pull'),
    removeContainers: queryBoolean(request, 'rm', true),
    forceRemove: queryBoolean(request, 'forcerm'),
    quiet: queryBoolean(request, 'q'),
  };
}

/** Limits of the containers that RUN makes. */
function hostConfigOf(request: Request): HostConfig {
  return {
    NetworkMode: query(request, 'networkmode') || 'default',
    ExtraHosts: queryList(request, 'extrahosts')
      .flatMap((text) => text.split(','))
      .filter(Boolean),
    ShmSize: queryInteger(request, 'shmsize'),
    Memory: queryInteger(request, 'memory'),
    MemorySwap: queryInteger(request, 'memswap'),
    CpuShares: queryInteger(request, 'cpushares'),
    CpuPeriod: queryInteger(request, 'cpuperiod'),
    CpuQuota: queryInteger(request, 'cpuquota'),
    CpusetCpus: query(request, 'cpusetcpus'),
    CpusetMems: query(request, 'cpusetmems'),
    CgroupParent: query(request, 'cgroupparent'),
    Ulimits: jsonQuery(request, 'ulimits', []),
    SecurityOpt: jsonQuery(request, 'securityopt', []),
  };
}

/** A parameter that holds JSON; null counts as missing. */
function jsonQuery<T extends object>(request: Request, name: string, missing: T): T {
  const text = query(request, name);
  if (text === '') return missing;
  try {
    const value = JSON.parse(text) as T | null;
    if (value === null) return missing;
    if (typeof value === 'object' && Array.isArray(value) === Array.isArray(missing)) return value;
  } catch (cause) {
    throw new EngineError('InvalidArgument', `error reading build parameter ${name}: ${(cause as Error).message}`, {
      layer: 'daemon',
      cause,
    });
  }
  throw new EngineError(
    'InvalidArgument',
    `error reading build parameter ${name}: it must be a JSON ${Array.isArray(missing) ? 'list' : 'object'}`,
    { layer: 'daemon' },
  );
}
