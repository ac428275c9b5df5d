// What a runtime remembers of a container: <root>/<id>/state.json, written whole by rename, and the exec.fifo beside it, which is there
// as long as the container has not been started. Runs in the parent.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import type { CgroupLocation } from './cgroup/cgroup.ts';

export interface SavedState {
  id: string;
  pid: number;
  /** With the pid it names init for ever. */
  startTime: number;
  bundle: string;
  rootfs: string;
  /** RFC 3339. */
  created: string;
  /** The uid that made it. */
  owner: number;
  cgroup: CgroupLocation;
  spec: Spec;
}

const STATE = 'state.json';

export function stateDirectory(root: string, id: string): string {
  return join(root, id);
}

/** Compiled seccomp filters of all containers. The name is not a valid id, so no container can take it. */
export function filterDirectory(root: string): string {
  return join(root, '@filters');
}

export function fifoPath(directory: string): string {
  return join(directory, 'exec.fifo');
}

export function validateId(id: string): void {
  if (!/^[\w+\-.]+$/.test(id) || id === '.' || id === '..') throw new EngineError('InvalidArgument', `invalid container ID format: ${JSON.stringify(id)}`, { layer: 'runtime' });
}

/** Makes the state directory: the one step by which an id is taken. */
export function makeStateDirectory(root: string, id: string): string {
  validateId(id);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const directory = stateDirectory(root, id);
  try {
    mkdirSync(directory, { mode: 0o711 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new EngineError('AlreadyExists', 'container with given ID already exists', { layer: 'runtime', details: { id }, cause });
    throw cause;
  }
  return directory;
}

export function writeState(directory: string, state: SavedState): void {
  const temporary = join(directory, `${STATE}.new`);
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, join(directory, STATE));
}

export function readState(root: string, id: string): SavedState {
  validateId(id);
  try {
    return JSON.parse(readFileSync(join(stateDirectory(root, id), STATE), 'utf8')) as SavedState;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new EngineError('NotFound', 'container does not exist', { layer: 'runtime', details: { id }, cause });
    throw cause;
  }
}

/** Ids that have a state directory, sorted. */
export function savedIds(root: string): string[] {
  try {
    return readdirSync(root)
      .filter((name) => !name.startsWith('@'))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
