// What removing a container does: the record goes first, so that its name is free and a crash cannot bring it back half; its snapshot,
// task record, log and anonymous volumes follow. What a crash leaves is swept at the next start (sweep.ts).
import { rmSync } from 'node:fs';
import { isKind } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import { releaseLimit } from '../storage/rootfs-size.ts';
import type { Container } from './container.ts';
import { attachSocket, containerDirectory } from './container-directory.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';

/** The end of a `--rm` container; the caller holds the lock. */
export async function autoRemove(context: ContainerContext, container: Container, span: Span): Promise<void> {
  try {
    await discard(context, container, true, span);
  } catch (error) {
    context.log.error({ container: container.id, err: error }, 'cannot remove an ended container');
  }
}

/** Forgets the record; the caller holds the lock. */
export async function discard(context: ContainerContext, container: Container, volumes: boolean, span: Span): Promise<void> {
  container.restartTimer?.abort();
  const { phase } = container.record.state;
  container.record.state.phase = 'removing';
  try {
    context.store.remove(container);
  } catch (error) {
    container.record.state.phase = phase;
    throw error;
  }
  const released = releaseResources(context, container, volumes, container.cleanup, span);
  container.cleanup = released;
  emitContainerEvent(context, container, 'destroy');
  container.signals.emit('removed', { code: container.record.state.exitCode });
  context.background.track(released);
}

async function releaseResources(
  context: ContainerContext,
  container: Container,
  volumes: boolean,
  before: Promise<void>,
  span: Span,
): Promise<void> {
  const { lifecycle, log, config } = context;
  const done = async (what: string, work: Promise<unknown>) => {
    try {
      await work;
    } catch (error) {
      if (!isKind(error, 'NotFound')) log.error({ container: container.id, err: error }, `cannot remove the ${what}`);
    }
  };
  await container.prepared?.catch(() => {});
  await before;
  await Promise.all([
    done('record', lifecycle.containers.delete({ id: container.id }, traced(span))),
    done('root file system', lifecycle.snapshots.remove({ snapshotter: lifecycle.snapshotter, key: container.id }, traced(span))),
  ]);
  if (container.record.project !== undefined) releaseLimit(container.record.project, config);
  rmSync(attachSocket(config, container.id), { force: true });
  rmSync(containerDirectory(config, container.id), { recursive: true, force: true });
  if (!volumes) return;
  for (const mount of container.record.mounts) {
    if (!mount.anonymous || mount.Name === undefined) continue;
    try {
      await context.volumes.remove(mount.Name, true);
    } catch (error) {
      // Another container took it over with --volumes-from.
      if (!isKind(error, 'Conflict')) log.error({ volume: mount.Name, err: error }, 'cannot remove an anonymous volume');
    }
  }
}
