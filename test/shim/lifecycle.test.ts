// A container's life through the task API, with a shim that the zygote forked.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Task as TaskV2 } from '@berth/rpc/gen/containerd/runtime/task/v2/shim';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { eventually } from '../harness/eventually.ts';
import { alive, Laboratory } from './laboratory.ts';

test('create, start, wait, delete, shutdown', async (t) => {
  const lab = await Laboratory.open(t);
  assert.equal(lab.zygote.forking, true, lab.messages.join('\n'));
  const shim = await lab.shim('echo out; echo err >&2; exit 7');
  await lab.create(shim);
  const { id, bundle, task } = shim;
  const created = await task.state({ id });
  assert.equal(created.status, Status.CREATED);
  assert.equal(readFileSync(join(bundle, 'init.pid'), 'utf8'), String(created.pid));
  const bootstrap = JSON.parse(readFileSync(join(bundle, 'bootstrap.json'), 'utf8'));
  assert.deepEqual([bootstrap.version, bootstrap.protocol, bootstrap.address], [3, 'ttrpc', `unix://${shim.address}`]);
  assert.deepEqual(await task.connect({ id }), { shimPid: shim.pid, taskPid: created.pid, version: '' });

  const waiting = task.wait({ id });
  assert.deepEqual(await task.start({ id }), { pid: created.pid });
  const exit = await waiting;
  assert.equal(exit.exitStatus, 7);
  assert.ok(Math.abs((exit.exitedAt?.seconds ?? 0) - Date.now() / 1000) < 5);
  assert.equal(lab.logged(shim, 'stdout'), 'out\n');
  assert.equal(lab.logged(shim, 'stderr'), 'err\n');
  const stopped = await task.state({ id });
  assert.deepEqual([stopped.status, stopped.exitStatus], [Status.STOPPED, 7]);

  assert.equal((await task.delete({ id })).exitStatus, 7);
  await assert.rejects(task.state({ id }), { kind: 'NotFound' });
  await lab.event('/tasks/delete');
  assert.deepEqual(
    lab.events.map((event) => event.topic),
    ['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete'],
  );
  assert.deepEqual(
    lab.events.map(({ event }) => [event.containerId, event.pid, event.exitStatus ?? 0]),
    [0, 0, 7, 7].map((status) => [id, created.pid, status]),
  );

  await task.shutdown({ id });
  await eventually(() => !alive(shim.pid), 'the shim to end');
  assert.ok(!existsSync(shim.address));
  assert.ok(!existsSync(lab.attachPath(shim)));
});

test('kill tells the signal, pause and resume hold the container, pids and stats look into it', async (t) => {
  const lab = await Laboratory.open(t);
  const { id, task } = await lab.run('sleep 100 & sleep 100; true');
  await task.pause({ id });
  assert.equal((await task.state({ id })).status, Status.PAUSED);
  await task.resume({ id });
  const { processes } = await eventually2(async () => {
    const answer = await task.pids({ id });
    return answer.processes.length === 3 ? answer : undefined;
  });
  assert.ok(processes.every(({ pid }) => alive(pid)));
  assert.match((await task.stats({ id })).stats?.typeUrl ?? '', /^io\.containerd\.cgroups\.v[12]\.Metrics$/);
  await assert.rejects(task.delete({ id }), { kind: 'FailedPrecondition' });
  await task.kill({ id, signal: 9, all: true });
  assert.equal((await task.wait({ id })).exitStatus, 137);
  await assert.rejects(task.kill({ id, signal: 9 }), { kind: 'NotFound', message: /process already finished/ });
  await task.delete({ id });
  assert.ok(processes.every(({ pid }) => !alive(pid)));
});

test('a kill for want of memory is told while the container runs, and once', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('sleep 0.5; tail /dev/zero; echo survived; exec sleep 100', (spec) => {
    Object.assign(spec.linux ?? {}, { resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } });
  });
  await lab.create(shim);
  await shim.task.start({ id: shim.id });
  await eventually(() => lab.logged(shim).includes('survived'), 'the shell to go on');
  await lab.event('/tasks/oom');
  assert.equal((await shim.task.state({ id: shim.id })).status, Status.RUNNING);
  await shim.task.kill({ id: shim.id, signal: 9 });
  await lab.event('/tasks/exit');
  assert.equal(lab.events.filter(({ topic }) => topic === '/tasks/oom').length, 1);
});

test('exec: output, exit codes, terminal, errors', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('sleep 100');
  const { id, task } = shim;
  const value = Buffer.from(JSON.stringify(lab.process('echo "exec says $((6*7))"; exit 5')));
  const stdout = `file://${join(shim.bundle, 'exec.out')}`;
  const spec = { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process', value };
  await task.exec({ id, execId: 'e1', stdout, stderr: stdout, spec });
  await assert.rejects(task.exec({ id, execId: 'e1', spec }), { kind: 'AlreadyExists' });
  const waiting = task.wait({ id, execId: 'e1' });
  const { pid } = await task.start({ id, execId: 'e1' });
  assert.ok(pid > 0);
  assert.equal((await waiting).exitStatus, 5);
  assert.equal(readFileSync(join(shim.bundle, 'exec.out'), 'utf8'), 'exec says 42\n');
  assert.equal((await task.delete({ id, execId: 'e1' })).exitStatus, 5);
  await assert.rejects(task.state({ id, execId: 'e1' }), { kind: 'NotFound' });

  const tty = `attach://${join(shim.bundle, 'x.sock')}?log=json-file&path=${join(shim.bundle, 'x.log')}`;
  const interactive = { ...spec, value: Buffer.from(JSON.stringify(lab.process('stty size; exit 0'))) };
  await task.exec({ id, execId: 'tty', terminal: true, stdin: tty, stdout: tty, spec: interactive });
  await task.start({ id, execId: 'tty' });
  await task.resizePty({ id, execId: 'tty', width: 100, height: 30 }).catch(() => {});
  assert.equal((await task.wait({ id, execId: 'tty' })).exitStatus, 0);
  await task.delete({ id, execId: 'tty' });

  const missing = { ...spec, value: Buffer.from(JSON.stringify({ ...lab.process(''), args: ['/no/such'] })) };
  await task.exec({ id, execId: 'bad', spec: missing });
  const forNothing = assert.rejects(task.wait({ id, execId: 'bad' }), { kind: 'NotFound' });
  await assert.rejects(task.start({ id, execId: 'bad' }), /no such file or directory|not found/);
  await task.delete({ id, execId: 'bad' });
  await forNothing;
  await task.kill({ id, signal: 9 });
  await task.wait({ id });
  await task.delete({ id });
  const topics = lab.events.map((event) => event.topic).filter((topic) => topic.includes('exec'));
  assert.deepEqual(topics.slice(0, 2), ['/tasks/exec-added', '/tasks/exec-started']);
});

test('version 2 of the task API is the same', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('sleep 100');
  using client = await TtrpcClient.connect(shim.address);
  assert.equal((await client.stub(TaskV2).state({ id: shim.id })).status, Status.RUNNING);
});

test('a container that cannot be created leaves nothing', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('true', (spec) => {
    if (spec.process) spec.process.args = ['/no/such/program'];
  });
  await lab.create(shim).then(
    () => assert.rejects(shim.task.start({ id: shim.id }), /no such file or directory|not found/),
    (error) => assert.match(error.message, /no such file or directory|not found/),
  );
  await shim.task.delete({ id: shim.id }).catch(() => {});
  assert.deepEqual(
    lab.events.filter(({ topic }) => topic === '/tasks/start'),
    [],
  );
  assert.ok(alive(shim.pid));
});

/** Polls with an asynchronous question. */
async function eventually2<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('waited too long');
}
