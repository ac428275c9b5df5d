// containerd's own client against this service: what it prints, and containers through Berth's runtime and through runc's shim.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { alive, Laboratory, NAMESPACE } from './laboratory.ts';

test('ctr: version, namespaces, plugins, lists', async (t) => {
  const lab = await Laboratory.open(t);
  const version = await lab.ctr('version');
  assert.match(version.stdout, /Server:\s+Version: {2}v2\./);
  assert.match(version.stdout, /UUID: [0-9a-f-]{36}/);
  assert.equal((await lab.ctr('namespaces', 'create', 'made', 'key=value')).code, 0);
  assert.match((await lab.ctr('namespaces', 'ls')).stdout, /^made\s+key=value/m);
  assert.equal((await lab.ctr('namespaces', 'label', 'made', 'key=')).code, 0);
  assert.equal((await lab.ctr('namespaces', 'rm', 'made')).stdout, 'made\n');
  assert.match((await lab.ctr('plugins', 'ls')).stdout, /^io\.containerd\.snapshotter\.v1\s+overlayfs\s+linux\/amd64\s+ok/m);
  for (const [args, first] of [
    [['containers', 'ls'], 'CONTAINER'],
    [['tasks', 'ls'], 'TASK'],
    [['images', 'ls'], 'REF'],
    [['snapshots', 'ls'], 'KEY'],
    [['content', 'ls'], 'DIGEST'],
    [['leases', 'ls'], 'ID'],
  ] as const) {
    const { code, stdout, stderr } = await lab.ctr(...args);
    assert.deepEqual([code, stdout.split(/\s/)[0], stderr], [0, first, ''], args.join(' '));
  }
});

test('ctr run: output, input and exit codes through Berth', async (t) => {
  const lab = await Laboratory.open(t);
  const run = (...args: string[]) => lab.ctr('run', '--rm', '--rootfs', '--runtime', 'io.containerd.berth.v1', lab.rootfs, ...args);
  assert.deepEqual(await run(`${NAMESPACE}-ctr-1`, '/bin/sh', '-c', 'echo out; echo err >&2; exit 3'), {
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  const missing = await run(`${NAMESPACE}-ctr-2`, '/bin/nonesuch');
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /\/bin\/nonesuch/);
  assert.equal((await lab.ctr('containers', 'ls', '-q')).stdout, '');
});

test('ctr: a task in the background, exec, pause, kill, delete', async (t) => {
  const lab = await Laboratory.open(t);
  const id = `${NAMESPACE}-bg`;
  const started = await lab.ctr('run', '-d', '--rootfs', '--runtime', 'io.containerd.berth.v1', lab.rootfs, id, '/bin/sleep', '100');
  assert.equal(started.code, 0, started.stderr);
  const tasks = await lab.ctr('tasks', 'ls');
  const pid = Number(new RegExp(`^${id}\\s+(\\d+)\\s+RUNNING`, 'm').exec(tasks.stdout)?.[1]);
  assert.ok(alive(pid), tasks.stdout);
  assert.deepEqual(await lab.ctr('tasks', 'exec', '--exec-id', 'e', id, '/bin/sh', '-c', 'echo inside; exit 4'), {
    code: 4,
    stdout: 'inside\n',
    stderr: '',
  });
  assert.equal((await lab.ctr('tasks', 'pause', id)).code, 0);
  assert.match((await lab.ctr('tasks', 'ls')).stdout, /PAUSED/);
  assert.equal((await lab.ctr('tasks', 'resume', id)).code, 0);
  assert.match((await lab.ctr('tasks', 'ps', id)).stdout, new RegExp(`^${pid}\\b`, 'm'));
  assert.equal((await lab.ctr('tasks', 'metrics', id)).code, 0);
  assert.match((await lab.ctr('containers', 'rm', id)).stderr, /cannot delete/);
  assert.equal((await lab.ctr('tasks', 'kill', '-s', 'KILL', id)).code, 0);
  await eventually(() => !alive(pid), 'the end of the task');
  const { stdout, stderr } = await lab.ctr('tasks', 'rm', id);
  assert.match(stdout + stderr, /137|^$/);
  assert.equal((await lab.ctr('containers', 'rm', id)).code, 0);
});

const RUNC_SHIM = (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, 'containerd-shim-runc-v2')));

test("runc's shim under this service", {
  skip: RUNC_SHIM ? false : 'containerd-shim-runc-v2 is not installed: apt-get install containerd',
}, async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('exit 5', { runtime: 'io.containerd.runc.v2' });
  assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 5);
  await lab.tasks.delete({ containerId: id });
  await lab.event('/tasks/delete', id);
  assert.deepEqual(lab.topics(id), ['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);

  const long = await lab.run('sleep 100', { runtime: 'io.containerd.runc.v2' });
  await lab.stop('SIGKILL');
  await lab.start();
  await lab.tasks.kill({ containerId: long, signal: 9 });
  assert.equal((await lab.tasks.wait({ containerId: long })).exitStatus, 137);
});
