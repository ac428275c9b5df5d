// The checkpoints that there are of containers: each is a directory of criu's images under its name, in the container's own directory or
// in one that the client names, from which any container of the same image and configuration can be started.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointSummary } from '@berth/api/checkpoint';
import { EngineError } from '@berth/errdefs/engine-error';
import { holds, pack, unpack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Config } from '../config/config.ts';
import type { Container } from './container.ts';
import { containerDirectory } from './container-directory.ts';
import type { ContainerContext } from './context.ts';
import { runtimeOf } from './task/runtime.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** `GET /containers/{id}/checkpoints`. */
export function listCheckpoints(context: ContainerContext, container: Container, parent: string): CheckpointSummary[] {
  const place = placeOf(context.config, container, parent);
  if (!existsSync(place)) return [];
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [{ Name: entry.name }] : []));
}

/** `DELETE /containers/{id}/checkpoints/{name}`. */
export function removeCheckpoint(context: ContainerContext, container: Container, name: string, parent: string): void {
  const directory = existingCheckpoint(context.config, container, name, parent);
  rmSync(directory, { recursive: true });
}

/** NotFound when there is none of that name. */
export function existingCheckpoint(config: Config, container: Container, name: string, parent: string): string {
  const directory = checkpointDirectory(config, container, name, parent);
  if (existsSync(join(directory, 'inventory.img'))) return directory;
  throw new EngineError('NotFound', `checkpoint ${name} does not exist for container ${container.name}`, { layer: 'daemon' });
}

/** What the creation of a task is told so that it begins at a checkpoint: the options of its runtime, and the images. */
export function restoreOptions(context: ContainerContext, container: Container, directory: string): Any {
  const { options } = runtimeOf(context, container);
  const given = holds(options, Options) ? unpack(Options, options) : {};
  return pack(Options, { ...given, criuImagePath: directory });
}

/** Where a checkpoint is, or is to be; InvalidArgument for a name that could lead elsewhere. */
export function checkpointDirectory(config: Config, container: Container, name: string, parent: string): string {
  if (!NAME.test(name))
    throw new EngineError('InvalidArgument', `Invalid checkpoint ID (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
      layer: 'daemon',
    });
  return join(placeOf(config, container, parent), name);
}

function placeOf(config: Config, { id }: Container, parent: string): string {
  if (parent === '') return join(containerDirectory(config, id), 'checkpoints');
  if (parent.startsWith('/')) return parent;
  throw new EngineError('InvalidArgument', `the checkpoint directory ${parent} must be an absolute path`, { layer: 'daemon' });
}
