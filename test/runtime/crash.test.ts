// A runtime that is killed at any moment of create leaves nothing that `delete --force` does not clean up, and no init behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually, IS_BERTH, Laboratory, RUNTIME } from './laboratory.ts';

test('SIGKILL during create', { skip: IS_BERTH ? false : 'others leave their state half-made' }, async (t) => {
  const laboratory = Laboratory.open(t);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const bundle = laboratory.bundle('sleep 1000');
  // From before the first step to after the last one.
  for (let delay = 40; delay <= 140; delay += 10) {
    const id = laboratory.id();
    const child = spawn(RUNTIME, ['--root', laboratory.root, 'create', '-b', bundle, id], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await ended;
    const existed = existsSync(`${laboratory.root}/${id}`);
    assert.equal(laboratory.runtime(['delete', '--force', id]).code, 0);
    await eventually(() => processesOf(id).length === 0);
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${id}`), false, `after ${delay} ms, state ${existed}`);
    assert.equal(existsSync(`${laboratory.root}/${id}`), false);
  }
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mounts);
});

/** Inits that are in a cgroup of the container. */
function processesOf(id: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
    } catch {
      return false;
    }
  });
}
