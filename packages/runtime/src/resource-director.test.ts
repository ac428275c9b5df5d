// No machine of ours has the processor for resctrl: a directory stands for its mount, so this shows which files are written, not what they do.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { enterResctrl, leaveResctrl, updateResctrl, validateIntelRdt } from './resource-director.ts';

test('a container without a class has a directory of its own', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'berth-resctrl-'));
  t.after(() => rmSync(root, { recursive: true }));
  enterResctrl({ l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20', schemata: ['L2:0=3'] }, 'box', 42, root);
  assert.equal(readFileSync(join(root, 'box/schemata'), 'utf8'), 'L3:0=f\nMB:0=20\nL2:0=3\n');
  assert.equal(readFileSync(join(root, 'box/tasks'), 'utf8'), '42');
  rmSync(join(root, 'box/schemata'));
  rmSync(join(root, 'box/tasks'));
  leaveResctrl({}, 'box', root);
  assert.equal(existsSync(join(root, 'box')), false);
});

test('a class with a name is shared and stays; the measurement is the container’s own', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'berth-resctrl-'));
  t.after(() => rmSync(root, { recursive: true }));
  const rdt = { closID: 'gold', enableMonitoring: true };
  assert.throws(() => enterResctrl(rdt, 'box', 42, root), /the class gold does not exist/);
  mkdirSync(join(root, 'gold/mon_groups'), { recursive: true });
  enterResctrl(rdt, 'box', 42, root);
  assert.equal(readFileSync(join(root, 'gold/mon_groups/box/tasks'), 'utf8'), '42');
  rmSync(join(root, 'gold/mon_groups/box/tasks'));
  leaveResctrl(rdt, 'box', root);
  assert.deepEqual([existsSync(join(root, 'gold')), existsSync(join(root, 'gold/mon_groups/box'))], [true, false]);
});

test('an update changes the shares that it names; a container without a class gets one', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'berth-resctrl-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'info/L3'), { recursive: true });
  const rdt = updateResctrl(undefined, { l3CacheSchema: 'L3:0=f' }, 'box', 42, root);
  assert.equal(readFileSync(join(root, 'box/tasks'), 'utf8'), '42');
  assert.throws(() => updateResctrl(rdt, { memBwSchema: 'MB:0=20' }, 'box', 42, root), /memory bandwidth schema is not enabled/);
  mkdirSync(join(root, 'info/MB'));
  assert.deepEqual(updateResctrl(rdt, { memBwSchema: 'MB:0=20' }, 'box', 42, root), { l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20' });
  assert.equal(readFileSync(join(root, 'box/schemata'), 'utf8'), 'L3:0=f\nMB:0=20\n');
});

test('a class cannot be a path', () => {
  for (const closID of ['..', '.', 'a/b', '/']) assert.throws(() => validateIntelRdt({ closID }, '/x'), /invalid intelRdt\.ClosID/);
});
