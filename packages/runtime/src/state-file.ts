// What a runtime remembers of a container, in <root>/<id>/: state.json, written before anything of it exists, so that a runtime which
// dies half-way leaves enough to clean up by; init.json, once init is set up; and exec.fifo, as long as it has not been started.
// Both files are written whole, by rename. Runs in the parent.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import type { CgroupLocation } from './cgroup/cgroup.ts';

/** Init's pid, 0 before there is one; with its start time it names init for ever. */
export interface SavedInit {
  pid: number;
  startTime: number;
}

export interface SavedState extends SavedInit {
  id: string;
  bundle: string;
  rootfs: string;
  /** RFC 3339. */
  created: string;
  /** The uid that made it. */
  owner: number;
  cgroup: CgroupLocation;
  spec: Spec;
  /** What init was given as 0, 1 and 2, as /proc/self/fd names it; none when it has a terminal. */
  streams?: string[];
}

const STATE = 'state.json';
const INIT = 'init.json';

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
  if (!/^[\w+\-.]+$/.test(id) || id === '.' || id === '..')
    throw new EngineError('InvalidArgument', `invalid container ID format: ${JSON.stringify(id)}`, { layer: 'runtime' });
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

export function writeState(directory: string, { pid: _pid, startTime: _startTime, ...state }: SavedState): void {
  writeWhole(join(directory, STATE), state);
}

export function writeInit(directory: string, init: SavedInit): void {
  draftInit(directory, init);
  publishInit(directory);
}

/** Writes down an init that is not set up yet: nobody sees it before `publishInit`. */
export function draftInit(directory: string, { pid, startTime }: SavedInit): void {
  draft(join(directory, INIT), { pid, startTime });
}

export function publishInit(directory: string): void {
  publish(join(directory, INIT));
}

function writeWhole(path: string, content: object): void {
  draft(path, content);
  publish(path);
}

function draft(path: string, content: object): void {
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
}

function publish(path: string): void {
  renameSync(`${path}.new`, path);
}

export function readState(root: string, id: string): SavedState {
  validateId(id);
  const directory = stateDirectory(root, id);
  const state = read<Omit<SavedState, keyof SavedInit>>(join(directory, STATE));
  if (!state) throw new EngineError('NotFound', 'container does not exist', { layer: 'runtime', details: { id } });
  return { ...state, ...(read<SavedInit>(join(directory, INIT)) ?? { pid: 0, startTime: 0 }) };
}

function read<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
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
