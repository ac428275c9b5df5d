// POST /images/{name}/push
import type { AuthConfig, ProgressMessage } from '@berth/api/image';
import { type Engine, imagePath } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';
import { registryAuthHeader } from '../registry-auth.ts';

export async function* pushImage(
  engine: Engine,
  request: { name: string; tag?: string; platform?: string; limitRate?: string | undefined; auth?: AuthConfig },
): AsyncGenerator<ProgressMessage> {
  const response = await engine.request('POST', `/images/${imagePath(request.name)}/push`, {
    query: { tag: request.tag, platform: request.platform, limitRate: request.limitRate },
    headers: registryAuthHeader(request.auth),
  });
  yield* jsonValues<ProgressMessage>(response);
}
