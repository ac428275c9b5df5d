// `DELETE /containers/{id}`: whether a container may be removed, and ending it first where that is forced.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { discard } from './discard.ts';
import { killAndWait } from './kill.ts';

export interface RemoveOptions {
  readonly force: boolean;
  /** Anonymous volumes too. */
  readonly volumes: boolean;
}

export async function removeContainer(context: ContainerContext, container: Container, options: RemoveOptions, span: Span): Promise<void> {
  if (container.record.state.phase === 'removing') {
    throw new EngineError('Conflict', `removal of container ${container.name} is already in progress`, { layer: 'daemon' });
  }
  if (container.running || container.restarting) {
    if (!options.force) throw refusal(container);
    await killAndWait(context, container, span);
  }
  await container.lock.run(async () => {
    // --rm, or another request, may have been faster.
    if (!context.store.find(container.id)) return;
    if (container.running) throw refusal(container);
    await discard(context, container, options.volumes, span);
  });
}

function refusal(container: Container): EngineError {
  const { phase } = container.record.state;
  const hint =
    phase === 'paused'
      ? 'container is paused and must be unpaused first'
      : `container is ${phase}: stop the container before removing or force remove`;
  return new EngineError('Conflict', `cannot remove container "${container.name}": ${hint}`, { layer: 'daemon' });
}
