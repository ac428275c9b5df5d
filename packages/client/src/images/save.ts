// GET /images/get: images as one tar stream.
import type { Engine } from '../engine.ts';

export function saveImages(engine: Engine, names: readonly string[], options: { platform?: string } = {}): Promise<NodeJS.ReadableStream> {
  return engine.request('GET', '/images/get', { query: { names, platform: options.platform } });
}
