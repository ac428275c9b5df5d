import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HealthLogEntry } from '@berth/api/container';
import { goDuration, type HealthCheck, healthCheckOf } from './health-config.ts';
import { judge, pause, startingHealth } from './judge.ts';

const check: HealthCheck = { argv: ['true'], interval: 30_000, timeout: 30_000, startPeriod: 1_000, startInterval: 100, retries: 2 };
const result = (ExitCode: number): HealthLogEntry => ({ Start: '', End: '', ExitCode, Output: '' });

test('nothing, NONE and an empty command mean no check; a shell line takes the shell of the image', () => {
  assert.equal(healthCheckOf({}), undefined);
  assert.equal(healthCheckOf({ Healthcheck: { Test: ['NONE'] } }), undefined);
  assert.equal(healthCheckOf({ Healthcheck: { Test: ['CMD'] } }), undefined);
  assert.deepEqual(healthCheckOf({ Healthcheck: { Test: ['CMD', 'a', 'b'] } })?.argv, ['a', 'b']);
  assert.deepEqual(healthCheckOf({ Healthcheck: { Test: ['CMD-SHELL', 'a b'] } })?.argv, ['/bin/sh', '-c', 'a b']);
  assert.deepEqual(healthCheckOf({ Shell: ['ash', '-ec'], Healthcheck: { Test: ['CMD-SHELL', 'a'] } })?.argv, ['ash', '-ec', 'a']);
});

test('what is not said has defaults', () => {
  const { argv: _argv, ...times } = healthCheckOf({
    Healthcheck: { Test: ['CMD', 'a'], Interval: 0, Timeout: 1_500_000_000 },
  }) as HealthCheck;
  assert.deepEqual(times, { interval: 30_000, timeout: 1_500, startPeriod: 0, startInterval: 5_000, retries: 3 });
});

test('it takes as many failures in a row as asked, one success clears them, and five results are kept', () => {
  let health = startingHealth(undefined);
  const states = [1, 1, 0, 1, 0, 1, 1].map((code) => {
    health = judge(health, check, result(code), 5_000);
    return health.Status;
  });
  assert.deepEqual(states, ['starting', 'unhealthy', 'healthy', 'healthy', 'healthy', 'healthy', 'unhealthy']);
  assert.deepEqual(
    health.Log?.map(({ ExitCode }) => ExitCode),
    [0, 1, 0, 1, 1],
  );
});

test('failures of the start period do not count, a success ends it', () => {
  let health = startingHealth(undefined);
  for (let times = 0; times < 3; times++) health = judge(health, check, result(1), 500);
  assert.deepEqual([health.Status, health.FailingStreak], ['starting', 0]);
  assert.equal(pause(health, check, 500), 100);
  assert.equal(pause(health, check, 1_500), 30_000);
  health = judge(health, check, result(0), 600);
  assert.equal(health.Status, 'healthy');
  assert.equal(pause(health, check, 700), 30_000);
});

test('durations as Go prints them', () => {
  assert.deepEqual([250, 1_000, 1_500, 90_000, 3_600_000, 3_661_000].map(goDuration), ['250ms', '1s', '1.5s', '1m30s', '1h0m0s', '1h1m1s']);
});
