// `POST /containers/{id}/resize`: the size of a running container's terminal.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';

export async function resizeContainer(
  context: ContainerContext,
  container: Container,
  height: number,
  width: number,
  span: Span,
): Promise<void> {
  if (!container.running) throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
  await context.lifecycle.tasks.resizePty({ containerId: container.id, height, width }, traced(span));
  emitContainerEvent(context, container, 'resize', { height: String(height), width: String(width) });
}
