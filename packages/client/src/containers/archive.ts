// HEAD, GET and PUT /containers/{id}/archive: files of a container as tar streams, and what a path in it is.
import type { PathStat } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Engine } from '../engine.ts';

const STAT_HEADER = 'x-docker-container-path-stat';

const path = (id: string) => `/containers/${encodeURIComponent(id)}/archive`;

export async function statContainerPath(engine: Engine, id: string, target: string): Promise<PathStat> {
  const response = await engine.request('HEAD', path(id), { query: { path: target } });
  response.resume();
  return statOf(response.headers[STAT_HEADER]);
}

export async function readContainerArchive(
  engine: Engine,
  id: string,
  target: string,
): Promise<{ stat: PathStat; archive: NodeJS.ReadableStream }> {
  const response = await engine.request('GET', path(id), { query: { path: target } });
  return { stat: statOf(response.headers[STAT_HEADER]), archive: response };
}

export async function writeContainerArchive(
  engine: Engine,
  id: string,
  directory: string,
  archive: NodeJS.ReadableStream,
  options: { noOverwriteDirNonDir?: boolean; copyUidGid?: boolean } = {},
): Promise<void> {
  await engine.call('PUT', path(id), {
    query: { path: directory, noOverwriteDirNonDir: options.noOverwriteDirNonDir, copyUIDGID: options.copyUidGid },
    headers: { 'Content-Type': 'application/x-tar' },
    body: archive,
  });
}

function statOf(header: string | string[] | undefined): PathStat {
  if (typeof header !== 'string') {
    throw new EngineError('Internal', `the daemon did not say what the path is: its answer has no ${STAT_HEADER} header`, { layer: 'cli' });
  }
  return JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as PathStat;
}
