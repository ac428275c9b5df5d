// A cgroup below a container's own, for a process of exec: made by somebody in the container, named as runc's `exec --cgroup` does.
// Runs in the parent.
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { CgroupLocation } from './cgroup.ts';

/** Each text is `path` for every hierarchy, or `controller,controller:path` for those of v1. */
export function subCgroup(location: CgroupLocation, texts: readonly string[]): CgroupLocation {
  const paths = { ...location.paths };
  const relative = { ...location.relative };
  for (const text of texts) {
    const [, names, path = ''] = /^(?:([^/:]+):)?(.*)$/.exec(text) ?? [];
    for (const name of names?.split(',') ?? Object.keys(location.paths)) {
      const own = location.paths[name];
      if (own === undefined) throw new EngineError('InvalidArgument', `bad --cgroup: unknown controller ${name}`, { layer: 'runtime' });
      const directory = posix.join(own, path);
      if (directory !== own && !directory.startsWith(`${own}/`))
        throw new EngineError('InvalidArgument', `bad --cgroup: ${path} is not a sub cgroup path`, { layer: 'runtime' });
      if (!existsSync(directory))
        throw new EngineError('NotFound', `error adding pid to cgroups: ${directory}/cgroup.procs: no such file or directory`, {
          layer: 'runtime',
        });
      paths[name] = directory.replace(/\/$/, '');
      relative[name] = posix.join(location.relative[name] ?? '/', path).replace(/(.)\/$/, '$1');
    }
  }
  return { ...location, paths, relative };
}
