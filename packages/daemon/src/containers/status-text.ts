// The status of a container for people: `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago` (moby's State.String and go-units).
import { humanDuration } from '@berth/api/units';
import type { Container } from './container.ts';

export function statusText(container: Container, now = Date.now()): string {
  const { state } = container.record;
  switch (state.phase) {
    case 'running': {
      const health =
        state.health && state.health.Status !== 'none'
          ? ` (${state.health.Status === 'starting' ? 'health: starting' : state.health.Status})`
          : '';
      return `Up ${since(state.startedAt, now)}${health}`;
    }
    case 'paused':
      return `Up ${since(state.startedAt, now)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
    case 'exited':
      return state.finishedAt.startsWith('0001') ? '' : `Exited (${state.exitCode}) ${since(state.finishedAt, now)} ago`;
    case 'created':
      return 'Created';
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
  }
}

function since(time: string, now: number): string {
  return humanDuration((now - Date.parse(time)) / 1000);
}
