import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restartCount, restartLog, wantsRestart } from './policy.ts';

const labels = (policy: string, more: Record<string, string> = {}) => ({
  'containerd.io/restart.policy': policy,
  ...Object.fromEntries(Object.entries(more).map(([name, value]) => [`containerd.io/restart.${name}`, value])),
});

test('which policy wants a task that ended to be started', () => {
  for (const [wanted, policy, exitStatus, more] of [
    [true, '', 0],
    [true, 'always', 0],
    [false, 'no', 1],
    [false, 'on-failure', 0],
    [true, 'on-failure', 1],
    [true, 'on-failure:3', 137, { count: '2' }],
    [false, 'on-failure:3', 137, { count: '3' }],
    [true, 'unless-stopped', 0],
    [true, 'unless-stopped', 0, { 'explicitly-stopped': 'false' }],
    [false, 'unless-stopped', 1, { 'explicitly-stopped': 'true' }],
  ] as const)
    assert.equal(wantsRestart(labels(policy, more), exitStatus), wanted, `${policy} after ${exitStatus}`);
  assert.equal(wantsRestart({}, 0), true);
  for (const policy of ['sometimes', 'always:3', 'on-failure:x', 'on-failure:1:2'])
    assert.throws(() => wantsRestart(labels(policy), 1), { kind: 'InvalidArgument' }, policy);
});

test('the count, and where the output goes', () => {
  assert.deepEqual([restartCount({}), restartCount(labels('', { count: '7' })), restartCount(labels('', { count: 'x' }))], [0, 7, 0]);
  assert.equal(restartLog({}), '');
  assert.equal(restartLog(labels('', { logpath: '/old' })), 'file:///old');
  assert.equal(restartLog(labels('', { loguri: 'binary:///l?id=1', logpath: '/old' })), 'binary:///l?id=1');
});
