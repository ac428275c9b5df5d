// The cgroups above those of containers: made when they are missing, and not left behind.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { eventually } from '../harness/eventually.ts';
import { Laboratory } from './laboratory.ts';

const ROOT = '/sys/fs/cgroup';
const hierarchies = [ROOT, ...readdirSync(ROOT).map((name) => join(ROOT, name))].filter((path) => existsSync(join(path, 'cgroup.procs')));

test('cgroups that were made above containers go with the last of them; those of others stay', async (t) => {
  const lab = await Laboratory.open(t);
  const parent = `${basename(lab.directory)}-parent`;
  const found = () => hierarchies.map((path) => join(path, parent)).filter((path) => existsSync(path));
  const change = (spec: Spec) => {
    if (spec.linux) spec.linux.cgroupsPath = `/${parent}/made${spec.linux.cgroupsPath}`;
  };
  const theirs = join(hierarchies[0] as string, parent);
  mkdirSync(theirs);
  try {
    const one = await lab.run('exec sleep 1000', { change });
    const two = await lab.run('exec sleep 1000', { change });
    assert.ok(found().every((path) => existsSync(join(path, 'made', one))));
    await lab.remove(one);
    assert.ok(found().every((path) => existsSync(join(path, 'made', two))));
    await lab.remove(two);
    await eventually(() => found().length === 1, 'the end of the parents');
    assert.deepEqual([found(), readdirSync(theirs).includes('made')], [[theirs], false]);

    // At the service's end there is no waiting for a quiet moment.
    await lab.remove(await lab.run('exit 0', { change }));
    await lab.stop();
    assert.deepEqual(found(), [theirs]);
  } finally {
    rmdirSync(theirs);
  }
});

test('what a killed service has not removed, the next one does', async (t) => {
  const lab = await Laboratory.open(t);
  const parent = `${basename(lab.directory)}-parent`;
  const left = () => hierarchies.some((path) => existsSync(join(path, parent)));
  const change = (spec: Spec) => {
    if (spec.linux) spec.linux.cgroupsPath = `/${parent}${spec.linux.cgroupsPath}`;
  };
  await lab.remove(await lab.run('exit 0', { change }));
  await lab.stop('SIGKILL');
  assert.ok(left());
  await lab.start();
  await eventually(() => !left(), 'the end of the parents');
});
