// POST /build: the context as a tar stream in, progress messages out.
import type { AuthConfig, ProgressMessage } from '@berth/api/image';
import type { Engine, Query } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';
import { registryConfigHeader } from '../registry-auth.ts';

export interface BuildRequest {
  /** Absent when `remote` names the context. */
  context?: NodeJS.ReadableStream;
  remote?: string;
  /** Path of the Dockerfile inside the context. */
  dockerfile?: string;
  tags?: string[];
  buildArgs?: Record<string, string | null>;
  labels?: Record<string, string>;
  cacheFrom?: string[];
  /** The other parameters of the endpoint by their wire names (nocache, pull, rm, forcerm, q, target, memory, …). */
  parameters?: Query;
  auths?: Record<string, AuthConfig>;
  signal?: AbortSignal;
}

export async function* buildImage(engine: Engine, request: BuildRequest): AsyncGenerator<ProgressMessage> {
  const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));
  const response = await engine.request('POST', '/build', {
    query: {
      ...request.parameters,
      dockerfile: request.dockerfile,
      remote: request.remote,
      t: request.tags,
      buildargs: json(request.buildArgs),
      labels: json(request.labels),
      cachefrom: json(request.cacheFrom),
    },
    headers: { ...registryConfigHeader(request.auths ?? {}), 'Content-Type': 'application/x-tar' },
    ...(request.context ? { body: request.context } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
  });
  yield* jsonValues<ProgressMessage>(response);
}
