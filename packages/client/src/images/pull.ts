// POST /images/create?fromImage=
import type { AuthConfig, ProgressMessage } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';
import { registryAuthHeader } from '../registry-auth.ts';

export async function* pullImage(
  engine: Engine,
  request: { name: string; tag?: string; platform?: string; limitRate?: string | undefined; auth?: AuthConfig; signal?: AbortSignal },
): AsyncGenerator<ProgressMessage> {
  const response = await engine.request('POST', '/images/create', {
    query: { fromImage: request.name, tag: request.tag, platform: request.platform, limitRate: request.limitRate },
    headers: registryAuthHeader(request.auth),
    ...(request.signal ? { signal: request.signal } : {}),
  });
  yield* jsonValues<ProgressMessage>(response);
}
