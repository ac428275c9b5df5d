// The status of a container for people: `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago` (moby's State.String and go-units).
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
  return durationText((now - Date.parse(time)) / 1000);
}

/** A duration in its largest unit, as go-units words it. */
function durationText(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 1) return 'Less than a second';
  if (whole === 1) return '1 second';
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
