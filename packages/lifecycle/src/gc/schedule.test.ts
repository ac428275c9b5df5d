import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CollectionSchedule } from './schedule.ts';

function slowCollector() {
  const collector = {
    runs: 0,
    atOnce: 0,
    most: 0,
    async collect() {
      collector.runs++;
      collector.most = Math.max(collector.most, ++collector.atOnce);
      await new Promise((resolve) => setTimeout(resolve, 5));
      collector.atOnce--;
    },
  };
  return collector;
}

test('collections never overlap, and who comes during one shares the next', async () => {
  const collector = slowCollector();
  await using schedule = new CollectionSchedule(() => collector.collect(), unexpected);
  await Promise.all([schedule.now(), schedule.now(), schedule.now(), schedule.now()]);
  assert.deepEqual([collector.runs, collector.most], [2, 1]);
  await schedule.now();
  assert.equal(collector.runs, 3);
});

test('a collection that fails does not keep the next one from running', async () => {
  let runs = 0;
  await using schedule = new CollectionSchedule(async () => {
    if (runs++ === 0) throw new Error('disk');
  }, unexpected);
  const [first, second] = await Promise.allSettled([schedule.now(), schedule.now()]);
  assert.deepEqual([first?.status, second?.status, runs], ['rejected', 'fulfilled', 2]);
});

test('many deletions are one collection', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  await using schedule = new CollectionSchedule(async () => void runs++, unexpected);
  for (let deletion = 0; deletion < 100; deletion++) schedule.deleted();
  assert.equal(runs, 0);
  t.mock.timers.tick(1000);
  assert.equal(runs, 1);
});

test('thresholds: so many deletions, or so many changes; one collection takes both back to none', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  const pace = { pauseThreshold: 0, deletionThreshold: 3, mutationThreshold: 5, scheduleDelay: 10 };
  await using schedule = new CollectionSchedule(async () => void runs++, unexpected, pace);
  const after = (deletions: number, changes: number) => {
    for (let n = 0; n < deletions; n++) schedule.deleted();
    for (let n = 0; n < changes; n++) schedule.changed();
    t.mock.timers.tick(20);
    return runs;
  };
  assert.equal(after(2, 4), 0);
  assert.equal(after(1, 0), 1);
  await new Promise(setImmediate);
  assert.equal(after(0, 4), 1);
  assert.equal(after(0, 1), 2);
});

function unexpected(error: unknown): void {
  throw error;
}
