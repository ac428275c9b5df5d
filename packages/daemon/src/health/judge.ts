// From the result of one probe to the health of its container: pure, so that time and processes are somebody else's.
import type { Health, HealthLogEntry } from '@berth/api/container';
import type { HealthCheck } from './health-config.ts';

/** Results that inspect shows. */
const KEPT = 5;

/** The health of a container that has just been started; what an earlier run logged stays readable. */
export function startingHealth(before: Health | undefined): Health {
  return { Status: 'starting', FailingStreak: 0, Log: before?.Log ?? [] };
}

/** `age`: how long the container had been running when the probe began, ms. Failures of the start period do not count. */
export function judge(health: Health, check: HealthCheck, result: HealthLogEntry, age: number): Health {
  const Log = [...(health.Log ?? []), result].slice(-KEPT);
  if (result.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log };
  if (health.Status === 'starting' && age < check.startPeriod) return { ...health, Log };
  const FailingStreak = health.FailingStreak + 1;
  return { Status: FailingStreak >= check.retries ? 'unhealthy' : health.Status, FailingStreak, Log };
}

/** How long to wait for the next probe, ms. */
export function pause(health: Health, check: HealthCheck, age: number): number {
  return health.Status === 'starting' && age < check.startPeriod ? check.startInterval : check.interval;
}
