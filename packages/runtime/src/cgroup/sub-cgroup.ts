// A cgroup below a container's own, for a process of exec: made by somebody in the container, named as runc's `exec --cgroup` does.
// Runs in the parent.
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { CgroupLocation } from './cgroup.ts';

/** `text` is `path` for every hierarchy, or `controller,controller:path` for those of v1. */
export function subCgroup(location: CgroupLocation, text: string): CgroupLocation {
  const [, names, path = ''] = /^(?:([^/:]+):)?(.*)$/.exec(text) ?? [];
  const chosen = names?.split(',') ?? Object.keys(location.paths);
  // Absolute first: no number of `..` leads out of the container's cgroup.
  const below = posix.join('/', path);
  const paths = { ...location.paths };
  const relative = { ...location.relative };
  for (const name of chosen) {
    const own = location.paths[name];
    if (own === undefined) throw new EngineError('InvalidArgument', `bad --cgroup: there is no controller ${name}`, { layer: 'runtime' });
    paths[name] = posix.join(own, below);
    relative[name] = posix.join(location.relative[name] ?? '/', below);
    if (!existsSync(paths[name])) throw new EngineError('NotFound', `bad --cgroup: ${paths[name]} does not exist`, { layer: 'runtime' });
  }
  return { ...location, paths, relative };
}
