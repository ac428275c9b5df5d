// Rehearsing init's part leaves the process where it was, and nothing behind.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, run } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';

test('a rehearsal comes home', async (t) => {
  const laboratory = Laboratory.open(t);
  const probe = join(ROOT, 'test/runtime/rehearsal-probe.ts');
  const bundle = laboratory.bundle('true', (spec) => {
    if (spec.linux) spec.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
  });
  const result = await run(process.execPath, ['--v8-pool-size=0', '--single-threaded', probe, bundle, laboratory.root]);
  assert.deepEqual(result, { code: 0, stdout: 'home\n', stderr: '' });
  assert.equal(existsSync('/sys/fs/cgroup/pids/rehearsal'), false);
});
