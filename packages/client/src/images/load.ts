// POST /images/load: images from an archive that `save` made.
import type { ProgressMessage } from '@berth/api/image';
import type { Engine } from '../engine.ts';
import { jsonValues } from '../json-stream.ts';

export async function* loadImages(
  engine: Engine,
  archive: NodeJS.ReadableStream,
  options: { quiet?: boolean; platform?: string } = {},
): AsyncGenerator<ProgressMessage> {
  const response = await engine.request('POST', '/images/load', {
    query: { quiet: options.quiet, platform: options.platform },
    headers: { 'Content-Type': 'application/x-tar' },
    body: archive,
  });
  yield* jsonValues<ProgressMessage>(response);
}
