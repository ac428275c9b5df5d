// pause and resume: what is frozen does nothing, says so, and takes no further process.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

conformance('a paused container does nothing until it is resumed', async (laboratory) => {
  const id = laboratory.background(undefined, 'while :; do touch /tmp/alive; usleep 10000; done');
  const file = join(laboratory.rootfs(id), 'tmp/alive');
  await eventually(() => existsSync(file));
  assert.equal(laboratory.runtime(['pause', id]).code, 0);
  assert.equal(laboratory.state(id).status, 'paused');
  rmSync(file, { force: true });
  await sleep(100);
  assert.equal(existsSync(file), false);
  assert.equal(laboratory.runtime(['resume', id]).code, 0);
  assert.equal(laboratory.state(id).status, 'running');
  await eventually(() => existsSync(file));
});

conformance(
  'what does not fit the state is refused',
  (laboratory) => {
    const id = laboratory.background();
    assert.notEqual(laboratory.runtime(['resume', id]).code, 0);
    laboratory.runtime(['pause', id]);
    assert.notEqual(laboratory.runtime(['exec', id, 'true']).code, 0);
    assert.notEqual(laboratory.runtime(['pause', 'nobody']).code, 0);
  },
  { crun: 'crun resumes what runs' },
);

conformance('a paused container can be killed and deleted', async (laboratory) => {
  const id = laboratory.background();
  laboratory.runtime(['pause', id]);
  assert.equal(laboratory.runtime(['delete', '--force', id]).code, 0);
  assert.notEqual(laboratory.runtime(['state', id]).code, 0);
});
