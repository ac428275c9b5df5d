// Every test of a published weakness fails on a build without the guard. One guard stands for all in an ordinary run; all of them,
// a second or three each: BERTH_UNPROTECTED=1 npm test unprotected
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT } from '../harness/programs.ts';
import { IMAGE_GUARDS } from './image-guards.ts';
import { LIFECYCLE_GUARDS } from './lifecycle-guards.ts';
import { RUNTIME_GUARDS } from './runtime-guards.ts';
import { UnprotectedTree, withoutGuard } from './unprotected.ts';

const GUARDS = [...IMAGE_GUARDS, ...LIFECYCLE_GUARDS, ...RUNTIME_GUARDS];
/** Needs nothing but its sources. */
const SAMPLE = 'CVE-2024-40635';
const ALL = process.env.BERTH_UNPROTECTED === '1';

test('every guard stands where its list says, and its test is there', () => {
  for (const guard of GUARDS) {
    for (const change of guard.changes) assert.notEqual(withoutGuard(change), '');
    assert.ok(readFileSync(join(ROOT, guard.test), 'utf8').includes(guard.weakness), guard.weakness);
  }
});

describe('without its guard', () => {
  let tree: UnprotectedTree;
  before(() => {
    tree = new UnprotectedTree();
  });
  after(() => tree[Symbol.dispose]());

  for (const guard of GUARDS.filter(({ weakness }) => ALL || weakness === SAMPLE)) {
    test(`the test of ${guard.weakness} fails`, async (t) => {
      const failure = await tree.failureWithout(guard);
      assert.ok(failure !== undefined, `the test of ${guard.weakness} notices nothing`);
      t.diagnostic(`${guard.weakness}: ${failure}`);
    });
  }
});
