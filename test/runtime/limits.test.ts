// pause, resume, update and events: a container's cgroup from outside.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { Laboratory } from './laboratory.ts';

test('a paused container stands still and goes on', async (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background(undefined, 'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; usleep 1000; done');
  const count = () => Number(readFileSync(join(laboratory.state(id).rootfs, 'tmp/count'), 'utf8'));
  await eventually(() => count() > 0);
  assert.equal(laboratory.runtime(['pause', id]).code, 0);
  assert.equal(laboratory.state(id).status, 'paused');
  const before = count();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(count(), before);
  assert.match(laboratory.runtime(['exec', id, 'true']).stderr, /cannot exec in a paused container/);
  assert.equal(laboratory.runtime(['resume', id]).code, 0);
  assert.equal(laboratory.state(id).status, 'running');
  await eventually(() => count() > before);
  assert.match(laboratory.runtime(['resume', id]).stderr, /not paused/);
});

test('a paused container can be deleted by force', (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background();
  laboratory.runtime(['pause', id]);
  assert.equal(laboratory.runtime(['delete', '--force', id]).code, 0);
});

test('limits are changed by flags and by JSON, and events show them', (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background();
  assert.equal(laboratory.runtime(['update', '--memory', '67108864', '--pids-limit', '42', id]).code, 0);
  const stats = () => JSON.parse(laboratory.runtime(['events', '--stats', id]).stdout);
  assert.equal(stats().data.memory.usage.limit, 67108864);
  assert.equal(stats().data.pids.limit, 42);
  assert.equal(laboratory.runtime(['update', '--resources', '-', id], { input: JSON.stringify({ pids: { limit: 43 } }) }).code, 0);
  const event = stats();
  assert.deepEqual([event.type, event.id, event.data.pids.limit, event.data.pids.current], ['stats', id, 43, 1]);
  assert.ok(event.data.cpu.usage.total > 0);
});
