// What a container's HEALTHCHECK asks for, with Docker's defaults filled in (moby's daemon/health.go; Dockerfile reference, HEALTHCHECK).
import type { ContainerConfig } from '@berth/api/host-config';

export interface HealthCheck {
  readonly argv: readonly string[];
  /** All times in milliseconds. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** Undefined where there is nothing to run: no HEALTHCHECK, or NONE. */
export function healthCheckOf(config: ContainerConfig): HealthCheck | undefined {
  const { Healthcheck: health } = config;
  const argv = commandOf(health?.Test ?? [], config.Shell?.length ? config.Shell : DEFAULT_SHELL);
  if (!health || argv === undefined) return undefined;
  return {
    argv,
    interval: milliseconds(health.Interval, 30_000),
    timeout: milliseconds(health.Timeout, 30_000),
    startPeriod: milliseconds(health.StartPeriod, 0),
    startInterval: milliseconds(health.StartInterval, 5_000),
    retries: health.Retries || 3,
  };
}

function commandOf([kind, ...words]: readonly string[], shell: readonly string[]): string[] | undefined {
  if (words.length === 0) return undefined;
  if (kind === 'CMD') return words;
  return kind === 'CMD-SHELL' ? [...shell, ...words] : undefined;
}

function milliseconds(nanoseconds: number | undefined, otherwise: number): number {
  return nanoseconds ? nanoseconds / 1e6 : otherwise;
}

/** Milliseconds as Go prints a duration: `1m30s`, `1.5s`, `250ms`. */
export function goDuration(time: number): string {
  if (time < 1000) return `${time}ms`;
  const seconds = time / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = Number((seconds % 60).toFixed(6));
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${rest}s`;
}
