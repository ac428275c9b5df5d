// The cgroup tests once more, on a machine with cgroup v2 and all of its controllers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

const missing = machineMissing();

test('limits, freezer, devices and kill on cgroup v2', { skip: missing ?? false, timeout: 180_000 }, async (context) => {
  const output = await runInMachine(fileURLToPath(new URL('cgroup.test.ts', import.meta.url)));
  for (const line of output.split('\n').filter((each) => /^(✔|✖|﹣|not ok|ok)/.test(each))) context.diagnostic(line);
  assert.doesNotMatch(output, /^✖/m);
  assert.match(output, /✔ memory: what takes more than the limit is killed/);
});
