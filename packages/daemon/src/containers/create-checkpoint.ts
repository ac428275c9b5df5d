// A running container is saved: criu's images go into a directory of their own (checkpoints.ts), and the container ends or goes on.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import type { CheckpointCreateRequest } from '@berth/api/checkpoint';
import { EngineError } from '@berth/errdefs/engine-error';
import { pack } from '@berth/rpc/any';
import { CheckpointOptions } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import { checkpointDirectory } from './checkpoints.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { ended } from './kill.ts';

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
