// Signals and stops. A kill is a signal and an answer; a stop waits for the end, and becomes SIGKILL after its time.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import { nowText } from '../state/clock.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { finishRun } from './exit.ts';
import { signalNumber } from './signals.ts';

const SIGKILL = 9;
const SIGCONT = 18;
const DEFAULT_STOP_SECONDS = 10;
/** How long the kernel may take to end a killed container, ms. */
const KILL_PATIENCE = 10_000;

/** `POST /containers/{id}/kill`: the signal by name or number; '' is SIGKILL. */
export async function killContainer(context: ContainerContext, container: Container, signal: string, span: Span): Promise<void> {
  const number = signal === '' ? SIGKILL : signalNumber(signal);
  if (await cancelRestart(container)) return;
  if (!container.running) {
    throw new EngineError('Conflict', `container ${container.id} is not running`, { layer: 'daemon' });
  }
  // A container that is told to end must not come back; other signals say nothing about that.
  if (number === SIGKILL || number === stopSignal(container)) container.record.state.stoppedByUser = true;
  await send(context, container, number, span);
  emitContainerEvent(context, container, 'kill', { signal: String(number) });
  if (number === SIGKILL) await ended(container, KILL_PATIENCE);
}

/** `POST /containers/{id}/stop`. Throws NotModified when it is not running. Negative seconds wait for ever. */
export async function stopContainer(
  context: ContainerContext,
  container: Container,
  options: { seconds?: number; signal?: string },
  span: Span,
): Promise<void> {
  if (await cancelRestart(container)) {
    emitContainerEvent(context, container, 'stop');
    return;
  }
  if (!container.running) throw new EngineError('NotModified', `container ${container.id} is not running`, { layer: 'daemon' });
  const signal = options.signal ? signalNumber(options.signal) : stopSignal(container);
  const seconds = options.seconds ?? container.record.config.StopTimeout ?? DEFAULT_STOP_SECONDS;
  container.record.state.stoppedByUser = true;
  container.keep();
  await send(context, container, signal, span);
  emitContainerEvent(context, container, 'kill', { signal: String(signal) });
  if (!(await ended(container, seconds < 0 ? undefined : seconds * 1000))) await killAndWait(context, container, span);
  emitContainerEvent(context, container, 'stop');
}

/** SIGKILL, and wait for the end. */
export async function killAndWait(context: ContainerContext, container: Container, span: Span): Promise<void> {
  if ((await cancelRestart(container)) || !container.running) return;
  container.record.state.stoppedByUser = true;
  await send(context, container, SIGKILL, span);
  emitContainerEvent(context, container, 'kill', { signal: String(SIGKILL) });
  if (await ended(container, KILL_PATIENCE)) return;
  throw new EngineError(
    'Internal',
    `could not kill container ${container.id}: tried to kill container, but did not receive an exit event`,
    { layer: 'daemon' },
  );
}

function stopSignal(container: Container): number {
  return signalNumber(container.record.config.StopSignal || 'SIGTERM');
}

async function send(context: ContainerContext, container: Container, signal: number, span: Span): Promise<void> {
  const { tasks } = context.lifecycle;
  try {
    await tasks.kill({ containerId: container.id, signal }, traced(span));
    // A frozen process gets nothing but SIGKILL; a signal that is to end it needs it thawed.
    if (container.record.state.phase === 'paused' && signal !== SIGCONT) await thaw(context, container, span);
  } catch (error) {
    if (!isKind(error, 'NotFound')) throw error;
    await adoptMissedEnd(context, container, span);
  }
}

/** The signal may have ended it by now, and nothing is left to thaw. */
async function thaw(context: ContainerContext, container: Container, span: Span): Promise<void> {
  try {
    await context.lifecycle.tasks.resume({ containerId: container.id }, traced(span));
  } catch (error) {
    if (!isKind(error, 'FailedPrecondition')) throw error;
  }
}

/** The task is gone and no event told us: it ended while nobody listened. */
async function adoptMissedEnd(context: ContainerContext, container: Container, span: Span): Promise<void> {
  await container.lock.run(async () => {
    if (container.running) await finishRun(context, container, { exitStatus: 137, exitedAt: nowText() }, span);
  });
}

/** False when it did not end in `patience` milliseconds. */
export async function ended(container: Container, patience: number | undefined): Promise<boolean> {
  if (!container.running) return true;
  const stop = new AbortController();
  try {
    const end = once(container.signals, 'exit', { signal: stop.signal }).then(() => true);
    if (patience === undefined) return await end;
    return await Promise.race([end, delay(patience, false, { signal: stop.signal })]);
  } finally {
    stop.abort();
  }
}

/** False when there is nothing to cancel: a restart that has begun already is awaited, and the container runs then. */
async function cancelRestart(container: Container): Promise<boolean> {
  if (!container.restarting) return false;
  container.restartTimer?.abort();
  return container.lock.run(() => {
    if (!container.restarting) return false;
    container.record.state.stoppedByUser = true;
    const { exitCode, finishedAt } = container.record.state;
    container.setExited(exitCode, finishedAt, false);
    return true;
  });
}
