// `POST /containers/{id}/restart`: stop, if it runs, and start.
import type { Span } from '@berth/trace/tracer';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { stopContainer } from './kill.ts';
import { startContainer } from './start.ts';

export async function restartContainer(
  context: ContainerContext,
  container: Container,
  options: { seconds?: number; signal?: string },
  span: Span,
): Promise<void> {
  // A container of --rm stays: it is stopped only to be started.
  const { hostConfig } = container.record;
  const { AutoRemove } = hostConfig;
  hostConfig.AutoRemove = false;
  try {
    if (container.running || container.restarting) await stopContainer(context, container, options, span);
  } finally {
    hostConfig.AutoRemove = AutoRemove;
  }
  await startContainer(context, container, span);
  emitContainerEvent(context, container, 'restart');
}
