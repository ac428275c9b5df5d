// Restart policies: whether a container that ended is started again, and when: 100 ms later, then twice as long each time up to a
// minute; a run of ten seconds starts over (moby's restartmanager).
import { setTimeout as delay } from 'node:timers/promises';
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { launch } from './start.ts';

const SHORTEST = 100;
const LONGEST = 60_000;
/** A run that lasted this long was a good one, ms. */
const GOOD_RUN = 10_000;

export function shouldRestart(container: Container, exitCode: number): boolean {
  const { state, hostConfig } = container.record;
  const policy = hostConfig.RestartPolicy;
  if (state.stoppedByUser) return false;
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return exitCode !== 0 && (!policy.MaximumRetryCount || state.restartCount < policy.MaximumRetryCount);
    default:
      return false;
  }
}

/** Starts it after its wait, unless somebody starts, stops or removes it before. */
export function restartLater(context: ContainerContext, container: Container): void {
  const { state } = container.record;
  const ran = Date.parse(state.finishedAt) - Date.parse(state.startedAt);
  container.restartDelay = ran >= GOOD_RUN || container.restartDelay === 0 ? SHORTEST : Math.min(container.restartDelay * 2, LONGEST);
  const timer = new AbortController();
  container.restartTimer = timer;
  void delay(container.restartDelay, undefined, { signal: timer.signal, ref: false }).then(
    () => restartNow(context, container, timer),
    () => {},
  );
}

async function restartNow(context: ContainerContext, container: Container, timer: AbortController): Promise<void> {
  await container.lock.run(async () => {
    if (timer.signal.aborted || !container.restarting) return;
    using span = context.tracer.start('restart', undefined);
    try {
      await launch(context, container, span);
    } catch (error) {
      context.log.warn({ container: container.id, err: toEngineError(error) }, 'the restart policy could not start the container');
    }
  });
}

/** After the daemon's own start: what should run and does not, because the machine was off, or the daemon was when it ended. */
export function startWithDaemon(context: ContainerContext): void {
  for (const container of context.store.all()) {
    const { state, hostConfig } = container.record;
    const name = hostConfig.RestartPolicy?.Name;
    const wanted =
      name === 'always' ? state.phase === 'exited' : name === 'unless-stopped' && state.phase === 'exited' && !state.stoppedByUser;
    if (!wanted && state.phase !== 'restarting') continue;
    state.phase = 'restarting';
    restartLater(context, container);
  }
}
