// Runs the HEALTHCHECK of every running container: begins with its start, rests while it is paused, ends with it. It follows the
// engine's own events, so that starting and stopping know nothing of it; the results are in the container's record and outlive the daemon.
import { setTimeout as delay } from 'node:timers/promises';
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Container } from '../containers/container.ts';
import { type ContainerContext, emitContainerEvent } from '../containers/context.ts';
import type { EngineEvent } from '../events/events.ts';
import type { Execs } from '../exec/execs.ts';
import { type HealthCheck, healthCheckOf } from './health-config.ts';
import { judge, pause, startingHealth } from './judge.ts';
import { endForgottenProbe, runProbe } from './probe.ts';

/** The longest time that a timer can be set to, ms. */
const LONGEST_WAIT = 2 ** 31 - 1;

export class HealthChecks implements AsyncDisposable {
  readonly #context: ContainerContext;
  readonly #execs: Execs;
  readonly #monitors = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  readonly #subscription: Disposable;

  /** From now on; the containers that run already are taken up again. */
  constructor(context: ContainerContext, execs: Execs) {
    this.#context = context;
    this.#execs = execs;
    this.#subscription = context.events.subscribe((event) => this.#observe(event));
    for (const container of context.store.all()) {
      if (!container.running) continue;
      context.background.track(endForgottenProbe(context, container));
      if (container.record.state.phase === 'running') this.#monitor(container);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    const ends = [...this.#monitors.values()].map(({ stop, ended }) => {
      stop.abort();
      return ended;
    });
    await Promise.all(ends);
  }

  #observe({ Type, Action, Actor }: EngineEvent): void {
    if (Type !== 'container') return;
    const container = this.#context.store.find(Actor.ID);
    if (!container) return;
    const { state, config } = container.record;
    switch (Action) {
      case 'start':
        if (!healthCheckOf(config)) return;
        state.health = startingHealth(state.health);
        container.save();
        this.#monitor(container);
        return;
      case 'unpause':
        this.#monitor(container);
        return;
      case 'pause':
        this.#leave(container);
        return;
      case 'die':
        this.#leave(container);
        // Docker's word for a container that nobody probes any more; the record is saved with the exit.
        if (state.health) state.health = { ...state.health, Status: 'unhealthy' };
    }
  }

  #leave(container: Container): void {
    this.#monitors.get(container.id)?.stop.abort();
    this.#monitors.delete(container.id);
  }

  #monitor(container: Container): void {
    const check = healthCheckOf(container.record.config);
    if (!check) return;
    this.#leave(container);
    const stop = new AbortController();
    const ended = this.#probeUntil(container, check, stop.signal).catch((error) => {
      if (!stop.signal.aborted) this.#context.log.error({ container: container.id, err: toEngineError(error) }, 'health checks ended');
    });
    this.#monitors.set(container.id, { stop, ended });
  }

  async #probeUntil(container: Container, check: HealthCheck, signal: AbortSignal): Promise<void> {
    const { state } = container.record;
    state.health ??= startingHealth(undefined);
    const age = () => Date.now() - Date.parse(state.startedAt);
    while (!signal.aborted) {
      await delay(Math.min(pause(state.health, check, age()), LONGEST_WAIT), undefined, { signal, ref: false });
      const began = age();
      const result = await runProbe(this.#context, this.#execs, container, check, signal);
      if (signal.aborted) return;
      const before = state.health.Status;
      state.health = judge(state.health, check, result, began);
      container.save();
      if (state.health.Status !== before) emitContainerEvent(this.#context, container, `health_status: ${state.health.Status}`);
    }
  }
}
