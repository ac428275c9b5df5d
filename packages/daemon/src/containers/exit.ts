// The end of a container's process: from the lifecycle service's event to the answer of those who wait. Waiters are told first;
// what is left to clear (the task, the interface, the root file system of --rm) follows behind.
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { autoRemove } from './discard.ts';
import { closeRunMounts, releaseVolumes } from './mounts/run-mounts.ts';
import { emitUnmounted } from './mounts/volume-events.ts';
import { endpointsOf, releaseEndpoints } from './networking/connect-networks.ts';
import { closeNames } from './networking/name-service.ts';
import { restartLater, shouldRestart } from './restart-policy.ts';

export interface TaskEnd {
  readonly exitStatus: number;
  /** RFC 3339. */
  readonly exitedAt: string;
}

/** Takes the container's lock; does nothing when it is not running any more. */
export async function handleExit(context: ContainerContext, container: Container, end: TaskEnd): Promise<void> {
  await container.lock.run(async () => {
    if (!container.running) return;
    using span = context.tracer.start('exit', undefined);
    await finishRun(context, container, end, span);
  });
}

/** The same for a caller that holds the lock. */
export async function finishRun(context: ContainerContext, container: Container, end: TaskEnd, span: Span): Promise<void> {
  const { record, io } = container;
  await io?.exited();
  const restarting = shouldRestart(container, end.exitStatus);
  const held = endpointsOf(context, container);
  const deleted = context.lifecycle.tasks.delete({ containerId: container.id }, traced(span)).then(
    () => {},
    (error) => context.log.debug({ container: container.id, err: error }, 'the task is gone already'),
  );
  container.cleanup = deleted.then(() => io?.close()).then(() => closeRunMounts(context, container));
  container.io = undefined;
  context.shims.close(container.id);
  closeNames(container);
  releaseEndpoints(context, held);
  record.endpoints = [];
  for (const exec of container.execs.values()) exec.containerEnded();
  emitContainerEvent(context, container, 'die', {
    exitCode: String(end.exitStatus),
    execDuration: String(secondsBetween(record.state.startedAt, end.exitedAt)),
  });
  for (const { record: endpoint } of held) {
    const type = context.networks.list().find((network) => network.record.id === endpoint.networkId)?.record.driver ?? 'bridge';
    context.events.emit('network', 'disconnect', endpoint.networkId, { container: container.id, name: endpoint.networkName, type });
  }
  emitUnmounted(context, container);
  await releaseVolumes(context, container);
  container.setExited(end.exitStatus, end.exitedAt, restarting);
  if (restarting) restartLater(context, container);
  else if (record.hostConfig.AutoRemove) await autoRemove(context, container, span);
}

function secondsBetween(start: string, end: string): number {
  return Math.max(0, Math.floor((Date.parse(end) - Date.parse(start)) / 1000)) || 0;
}
