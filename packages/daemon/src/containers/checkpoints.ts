// Checkpoints of containers: saved, listed and removed. Each is a directory of criu's images under its name, in the container's own
// directory or in one that the client names, from which any container of the same image and configuration can be started.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointCreateRequest, CheckpointSummary } from '@berth/api/checkpoint';
import { EngineError } from '@berth/errdefs/engine-error';
import { holds, pack, unpack } from '@berth/rpc/any';
import { CheckpointOptions, Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Span } from '@berth/trace/tracer';
import type { Config } from '../config/config.ts';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { containerDirectory } from './container-directory.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { ended } from './kill.ts';
import { runtimeOf } from './runtime.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** How long the end of a container that was saved may take to be told, ms. */
const END_PATIENCE = 10_000;

/** `POST /containers/{id}/checkpoints`. A failure leaves the container as it was. */
export async function createCheckpoint(
  context: ContainerContext,
  container: Container,
  request: CheckpointCreateRequest,
  span: Span,
): Promise<void> {
  const { CheckpointID: name = '', CheckpointDir: parent = '', Exit: exit = false } = request;
  const directory = checkpointDirectory(context.config, container, name, parent);
  await container.lock.run(async () => {
    if (!container.running) throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
    if (existsSync(directory))
      throw new EngineError('Conflict', `checkpoint with name ${name} already exists for container ${container.name}`, { layer: 'daemon' });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { state } = container.record;
    const { stoppedByUser } = state;
    // Its end is wanted: no restart policy has a say in it.
    if (exit) state.stoppedByUser = true;
    try {
      const options = pack(CheckpointOptions, { exit, imagePath: directory, fileLocks: true, emptyNamespaces: ['network'] });
      await context.lifecycle.tasks.checkpoint({ containerId: container.id, options }, traced(span));
    } catch (cause) {
      state.stoppedByUser = stoppedByUser;
      rmSync(directory, { recursive: true, force: true });
      const message = `Cannot checkpoint container ${container.name}: ${(cause as Error).message}`;
      throw new EngineError('Internal', message, { layer: 'daemon', cause });
    }
    emitContainerEvent(context, container, 'checkpoint');
  });
  if (exit) await ended(container, END_PATIENCE);
}

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

function checkpointDirectory(config: Config, container: Container, name: string, parent: string): string {
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
