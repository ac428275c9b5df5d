// POST /images/create?fromSrc=: an image of one layer from a tar stream, or from an address that the daemon fetches.
import type { ProgressMessage } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';

export async function* importImage(
  engine: Engine,
  request: { source: NodeJS.ReadableStream | string; repo?: string; tag?: string; message?: string; changes?: string[]; platform?: string },
): AsyncGenerator<ProgressMessage> {
  const { source, repo, tag, message, changes, platform } = request;
  const remote = typeof source === 'string';
  const response = await engine.request('POST', '/images/create', {
    query: { fromSrc: remote ? source : '-', repo, tag, message, changes, platform },
    ...(remote ? {} : { body: source, headers: { 'Content-Type': 'application/x-tar' } }),
  });
  yield* jsonValues<ProgressMessage>(response);
}
