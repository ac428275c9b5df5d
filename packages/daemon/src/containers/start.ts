// Starting a container: endpoints are allocated while the lifecycle service creates the task; the interface goes into its network
// namespace and attached clients are connected before the process is let run. Whatever fails, everything before it is undone.
import { EngineError, isKind, toEngineError } from '@berth/errdefs/engine-error';
import type { Endpoint } from '@berth/network/driver';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import { nowText } from '../state/clock.ts';
import { existingCheckpoint, restoreOptions } from './checkpoints.ts';
import type { Container } from './container.ts';
import { attachSocket } from './container-directory.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { autoRemove } from './discard.ts';
import { populateVolumes } from './mounts/populate-volumes.ts';
import { closeRunMounts, openRunMounts } from './mounts/run-mounts.ts';
import { emitMounted } from './mounts/volume-events.ts';
import { allocateEndpoints, attachNetworks, releaseEndpoints, writeNetworkFiles } from './networking/connect-networks.ts';
import { closeNames, openNames } from './networking/name-service.ts';
import { prepareRootfs, sendSpec } from './prepare.ts';
import { isRuntimeError, runtimeExitCode, runtimeMessage } from './task/runtime-error.ts';
import { stdioUris } from './task/stdio.ts';
import { openTaskIo } from './task/task-io.ts';

/** Where a container goes on instead of beginning anew; an empty directory is its own. */
export interface StartAt {
  name: string;
  directory: string;
}

/** Throws NotModified when it runs already, NotFound for a checkpoint that is not there. */
export async function startContainer(context: ContainerContext, container: Container, span: Span, checkpoint?: StartAt): Promise<void> {
  await container.lock.run(async () => {
    const { phase } = container.record.state;
    if (phase === 'paused') throw new EngineError('Conflict', 'cannot start a paused container, try unpause instead', { layer: 'daemon' });
    if (phase === 'running') throw new EngineError('NotModified', `container ${container.id} is running already`, { layer: 'daemon' });
    if (phase === 'removing' || phase === 'dead') {
      throw new EngineError('Conflict', 'container is marked for removal and cannot be started', { layer: 'daemon' });
    }
    const images = checkpoint && existingCheckpoint(context.config, container, checkpoint.name, checkpoint.directory);
    container.restartTimer?.abort();
    container.record.state.restartCount = 0;
    await launch(context, container, span, images);
  });
}

/** The start itself, for a caller that holds the container's lock. `images`: a checkpoint's directory. */
export async function launch(context: ContainerContext, container: Container, span: Span, images?: string): Promise<void> {
  container.record.traceId = span.context.traceId;
  try {
    await launchOrUndo(context, container, span, images);
  } catch (thrown) {
    const { error, exitCode } = startError(thrown);
    container.setStartFailed(exitCode, error.message);
    context.log.warn({ container: container.id, err: thrown }, 'start failed');
    if (container.record.hostConfig.AutoRemove) await autoRemove(context, container, span);
    throw error;
  }
}

async function launchOrUndo(context: ContainerContext, container: Container, span: Span, images: string | undefined): Promise<void> {
  // What a former life left behind is cleared by now, or it fails here.
  await container.cleanup;
  await container.prepared?.catch(() => {});
  const rootfs = await prepareRootfs(context, container, span);
  await openRunMounts(context, container);
  try {
    await populateVolumes(context, container, span);
    await launchMounted(context, container, rootfs, images, span);
  } catch (error) {
    await closeRunMounts(context, container);
    throw error;
  }
}

async function launchMounted(
  context: ContainerContext,
  container: Container,
  rootfs: readonly Mount[],
  images: string | undefined,
  span: Span,
): Promise<void> {
  const { tasks } = context.lifecycle;
  const containerId = container.id;

  const endpoints = span.during('allocate endpoints', () => allocateEndpoints(context, container), 'network');
  for (const endpoint of endpoints) emitNetwork(context, container, endpoint, 'connect');
  let created = false;
  try {
    writeNetworkFiles(context, container, endpoints);
    await sendSpec(context, container, span);
    const io = openTaskIo(context, container, stdioUris(context.config, container), { execId: '', terminal: container.terminal });
    container.io = io;
    const task = { containerId, rootfs: [...rootfs], ...io.names, terminal: container.terminal };
    const options = images === undefined ? {} : { options: restoreOptions(context, container, images) };
    let { pid } = await span.during('create task', (child) => tasks.create({ ...task, ...options }, traced(child)));
    created = true;
    io.taken();
    const records = endpoints.map(({ record }) => record);
    const attach = () =>
      span.during(
        'attach network',
        () => {
          attachNetworks(container, endpoints, pid);
          openNames(context, container, records, pid);
        },
        'network',
      );
    // Other runtimes restore a checkpoint as a whole at the start: before it there is no network namespace.
    const late = pid === 0;
    if (!late) attach();
    await connectAttachments(context, container, span);
    const startedAt = nowText();
    const started = await span.during('start task', (child) => tasks.start({ containerId }, traced(child)));
    if (late) {
      pid = started.pid;
      attach();
    }
    container.record.endpoints = records;
    container.setRunning(pid, startedAt);
    emitMounted(context, container);
    emitContainerEvent(context, container, 'start');
  } catch (error) {
    closeNames(container);
    releaseEndpoints(context, endpoints);
    for (const endpoint of endpoints) emitNetwork(context, container, endpoint, 'disconnect');
    container.record.endpoints = [];
    if (created) await discardTask(context, containerId, span);
    container.io?.close();
    container.io = undefined;
    throw error;
  }
}

/** Ends and deletes a task that never ran, or whose end was missed. */
export async function discardTask(context: ContainerContext, containerId: string, span: Span): Promise<void> {
  const { tasks } = context.lifecycle;
  try {
    await tasks.kill({ containerId, signal: 9, all: true }, traced(span)).catch(ignoreMissing);
    await tasks.wait({ containerId }, { ...traced(span), timeout: 10_000 }).catch(ignoreMissing);
    await tasks.delete({ containerId }, traced(span)).catch(ignoreMissing);
  } catch (error) {
    context.log.error({ container: containerId, err: error }, 'cannot remove the task of a failed start');
  }
}

function ignoreMissing(error: unknown): void {
  if (!isKind(error, 'NotFound') && !isKind(error, 'FailedPrecondition')) throw error;
}

async function connectAttachments(context: ContainerContext, container: Container, span: Span): Promise<void> {
  const pending = [...container.pendingAttachments];
  if (pending.length === 0) return;
  container.pendingAttachments.clear();
  await span.during('connect attachments', () =>
    Promise.all(pending.map((connect) => connect(attachSocket(context.config, container.id)))),
  );
}

function emitNetwork(context: ContainerContext, container: Container, endpoint: Endpoint, action: 'connect' | 'disconnect'): void {
  const { networkId, networkName } = endpoint.record;
  const type = context.networks.get(networkId).record.driver;
  context.events.emit('network', action, networkId, { container: container.id, name: networkName, type });
}

/** Exit codes as Docker has them: 127 for a command that is not there, 126 for one that cannot be run, 128 for the rest. */
function startError(thrown: unknown): { error: EngineError; exitCode: number } {
  const error = toEngineError(thrown);
  if (error.kind === 'Unavailable' && error.message.startsWith('ttrpc: ')) {
    const message = 'the lifecycle service or the shim died while it started the container: start the container again';
    return { error: new EngineError('Unavailable', message, { layer: error.layer, cause: thrown }), exitCode: 128 };
  }
  const fromRuntime = isRuntimeError(error);
  const exitCode = fromRuntime ? runtimeExitCode(error.message) : 128;
  if (!fromRuntime) return { error, exitCode };
  const prefix = 'failed to create task for container: failed to create shim task: ';
  const options = { layer: error.layer, details: error.details, cause: thrown };
  return {
    error: new EngineError(exitCode === 128 ? 'Unknown' : 'InvalidArgument', prefix + runtimeMessage(error.message, 'create'), options),
    exitCode,
  };
}
