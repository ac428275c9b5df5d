// Pausing freezes all processes of a container (the cgroup freezer); unpausing lets them go on.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';

export async function pauseContainer(context: ContainerContext, container: Container, span: Span): Promise<void> {
  await container.lock.run(async () => {
    const { phase } = container.record.state;
    if (phase === 'paused') throw conflict(`Container ${container.id} is already paused`);
    if (phase === 'restarting') throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
    if (phase !== 'running') throw conflict(`container ${container.id} is not running`);
    await context.lifecycle.tasks.pause({ containerId: container.id }, traced(span));
    try {
      container.setPaused(true);
    } catch (error) {
      // What could not be kept did not happen.
      container.record.state.phase = 'running';
      await context.lifecycle.tasks.resume({ containerId: container.id }, traced(span));
      throw error;
    }
    emitContainerEvent(context, container, 'pause');
  });
}

export async function unpauseContainer(context: ContainerContext, container: Container, span: Span): Promise<void> {
  await container.lock.run(async () => {
    if (container.record.state.phase !== 'paused') throw conflict(`Container ${container.id} is not paused`);
    await context.lifecycle.tasks.resume({ containerId: container.id }, traced(span));
    container.setPaused(false);
    emitContainerEvent(context, container, 'unpause');
  });
}

function conflict(message: string): EngineError {
  return new EngineError('Conflict', message, { layer: 'daemon' });
}
