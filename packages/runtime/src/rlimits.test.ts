import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RLIM_INFINITY } from '@berth/sys/process';
import { resolveRlimits } from './rlimits.ts';

const OWN = { soft: 20_000n, hard: 20_000n };

test("the number of files is the kernel's default when nobody sets it: ours was raised by Node", () => {
  assert.deepEqual(resolveRlimits([], OWN), [{ name: 'RLIMIT_NOFILE', resource: 7, soft: 1024n, hard: 20_000n }]);
  assert.equal(resolveRlimits([], { soft: 100n, hard: 100n })[0]?.soft, 100n);
  assert.equal(resolveRlimits([{ type: 'RLIMIT_NOFILE', soft: 5, hard: 6 }], OWN)[0]?.soft, 5n);
});

test('what JSON cannot write exactly is no limit', () => {
  const [limit] = resolveRlimits([{ type: 'RLIMIT_CORE', soft: -1, hard: 2 ** 64 }], OWN);
  assert.deepEqual([limit?.soft, limit?.hard], [RLIM_INFINITY, RLIM_INFINITY]);
});
