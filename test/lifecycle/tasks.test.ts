// Tasks through the whole service: gRPC above, real shims and containers below.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { packJson, RESOURCES_TYPE } from '@berth/rpc/any';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { processesOf } from '../harness/berthd.ts';
import { eventually } from '../harness/eventually.ts';
import { alive, Laboratory } from './laboratory.ts';

test('create, start, wait, delete: states, exit code, output and events in their order', async (t) => {
  const lab = await Laboratory.open(t);
  const { tasks } = lab;
  const out = join(lab.directory, 'out');
  const id = await lab.container('echo from the container; exit 3');
  const { pid } = await tasks.create({ containerId: id, stdout: `file://${out}` });
  assert.ok(alive(pid));
  assert.equal((await tasks.get({ containerId: id })).process?.status, Status.CREATED);
  await assert.rejects(tasks.create({ containerId: id }), (error) => isKind(error, 'AlreadyExists'));
  await assert.rejects(lab.containers.delete({ id }), (error) => isKind(error, 'FailedPrecondition'));
  const waiting = tasks.wait({ containerId: id });
  assert.deepEqual(await tasks.start({ containerId: id }), { pid });
  const { exitStatus, exitedAt } = await waiting;
  assert.equal(exitStatus, 3);
  assert.ok(exitedAt && exitedAt.seconds > 1_700_000_000);
  const { process: stopped } = await tasks.get({ containerId: id });
  assert.deepEqual([stopped?.status, stopped?.exitStatus, stopped?.pid], [Status.STOPPED, 3, pid]);
  assert.deepEqual(
    (await tasks.list({})).tasks.map((task) => task.id),
    [id],
  );
  const deleted = await tasks.delete({ containerId: id });
  assert.deepEqual([deleted.id, deleted.pid, deleted.exitStatus], [id, pid, 3]);
  await assert.rejects(tasks.get({ containerId: id }), (error) => isKind(error, 'NotFound'));
  assert.equal(readFileSync(out, 'utf8'), 'from the container\n');
  await lab.event('/tasks/delete', id);
  assert.deepEqual(lab.topics(id), ['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);
  assert.equal(existsSync(lab.bundle(id)), false);
});

test('a creation that fails leaves neither a bundle nor a shim', async (t) => {
  const lab = await Laboratory.open(t);
  const shims = () => processesOf(`berth-shim lab/${basename(lab.directory)}`);
  await lab.remove(await lab.run('true'));
  const id = await lab.container('true', {
    change: (spec) => {
      if (spec.process) spec.process.args = ['/no/such/program'];
    },
  });
  await assert.rejects(lab.tasks.create({ containerId: id }), /failed to create shim task: .*no such file or directory/);
  await eventually(() => shims().length === 0, 'the end of the shim', 2);
  assert.equal(existsSync(lab.bundle(id)), false);
});

test('exec, kill, pause, update, pids and metrics reach the container', async (t) => {
  const lab = await Laboratory.open(t);
  const { tasks } = lab;
  const id = await lab.run('sleep 100');
  await tasks.exec({ containerId: id, execId: 'e1', spec: lab.exec('exit 5') });
  const { pid } = await tasks.start({ containerId: id, execId: 'e1' });
  assert.equal((await tasks.wait({ containerId: id, execId: 'e1' })).exitStatus, 5);
  const gone = await tasks.deleteProcess({ containerId: id, execId: 'e1' });
  assert.deepEqual([gone.id, gone.pid, gone.exitStatus], ['e1', pid, 5]);

  await tasks.pause({ containerId: id });
  assert.equal((await tasks.get({ containerId: id })).process?.status, Status.PAUSED);
  await tasks.resume({ containerId: id });
  assert.equal((await tasks.get({ containerId: id })).process?.status, Status.RUNNING);

  await tasks.update({ containerId: id, resources: packJson(RESOURCES_TYPE, { pids: { limit: 42 } }) });
  const [metric] = (await tasks.metrics({ filters: [`id==${id}`] })).metrics;
  assert.equal(metric?.id, id);
  assert.match(metric?.data?.typeUrl ?? '', /^io\.containerd\.cgroups\.v[12]\.Metrics$/);
  assert.ok((await tasks.listPids({ containerId: id })).processes.length >= 1);

  await tasks.kill({ containerId: id, signal: 9 });
  assert.equal((await tasks.wait({ containerId: id })).exitStatus, 137);
  await assert.rejects(tasks.kill({ containerId: id, signal: 9 }), (error) => isKind(error, 'NotFound'));
});

test('a task that cannot be made leaves nothing', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.container('true', {
    change: (spec) => {
      if (spec.process) spec.process.args = ['/no/such/program'];
    },
  });
  await assert.rejects(lab.tasks.create({ containerId: id }), /no such file or directory|not found/);
  assert.equal(existsSync(lab.bundle(id)), false);
  assert.deepEqual((await lab.tasks.list({})).tasks, []);
  await assert.rejects(lab.tasks.create({ containerId: 'unknown' }), /container "unknown" in namespace "lab": not found/);
  const odd = await lab.container('true', { runtime: 'io.containerd.nonesuch.v1' });
  await assert.rejects(lab.tasks.create({ containerId: odd }), /containerd-shim-nonesuch-v1/);
});

test('twenty tasks at once', async (t) => {
  const lab = await Laboratory.open(t);
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => lab.run(`exit ${n}`)));
  const exits = await Promise.all(ids.map((id) => lab.tasks.wait({ containerId: id })));
  assert.deepEqual(
    exits.map((exit) => exit.exitStatus),
    ids.map((_, n) => n),
  );
});
