// `GET /containers/{id}/top`: the processes of a container as `ps` on the host would show them, read from /proc: no ps is run.
import type { ContainerTopResponse } from '@berth/api/container';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { readProcess } from './ps/process-facts.ts';
import { psColumns } from './ps/ps-columns.ts';

export async function topContainer(
  context: ContainerContext,
  container: Container,
  psArgs: string,
  span: Span,
): Promise<ContainerTopResponse> {
  if (container.restarting) {
    throw new EngineError('Conflict', `container ${container.id} is restarting, wait until the container is running`, { layer: 'daemon' });
  }
  if (!container.running) throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
  const columns = psColumns(psArgs);
  emitContainerEvent(context, container, 'top');
  const { processes } = await context.lifecycle.tasks.listPids({ containerId: container.id }, traced(span));
  const facts = processes.flatMap(({ pid }) => readProcess(pid) ?? []).sort((a, b) => a.pid - b.pid);
  return { Titles: columns.map(({ title }) => title), Processes: facts.map((one) => columns.map(({ value }) => value(one))) };
}
