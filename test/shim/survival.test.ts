// Any process may die: the zygote, the service that takes events, the shim itself.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { Task } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { deleteDeadShim } from '@berth/shim/zygote/client';
import { SHIM_NODE_FLAGS, shimProgram } from '@berth/shim/zygote/programs';
import { UnassignedShim } from '@berth/shim/zygote/unassigned-shim';
import { eventually } from '../harness/eventually.ts';
import { Attached, alive, Laboratory, NAMESPACE } from './laboratory.ts';

test('shims outlive the zygote, and another zygote takes over', async (t) => {
  const lab = await Laboratory.open(t);
  const first = await lab.run('read line; echo "still $line"; exit 4', { stdin: true });
  const zygote = await lab.zygote.pid();
  assert.ok(zygote);
  process.kill(zygote, 'SIGKILL');
  await eventually(() => !alive(zygote), 'the end of the zygote');

  const second = await lab.run('echo second');
  assert.equal((await second.task.wait({ id: second.id })).exitStatus, 0);
  assert.notEqual(await lab.zygote.pid(), zygote);
  assert.equal(lab.zygote.forking, true);
  assert.match(lab.messages.join('\n'), /starting another/);

  const client = new Attached(lab.attachPath(first), { stdin: true, stdout: true });
  client.socket.write('here\n');
  await client.ended;
  assert.equal(client.text(1), 'still here\n');
  assert.equal((await first.task.wait({ id: first.id })).exitStatus, 4);
  assert.equal(lab.logged(first), 'still here\n');
});

test('a shim that cannot tell anybody that it serves ends', async (t) => {
  const lab = await Laboratory.open(t, { plain: true });
  const bundle = join(lab.root, 'orphan');
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'config.json'), '{}');
  const orphan = spawn(process.execPath, [...SHIM_NODE_FLAGS, shimProgram(), 'serve'], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  const ended = once(orphan, 'exit');
  const socketDir = join(lab.root, 's');
  const orders = { namespace: NAMESPACE, id: 'orphan', bundle, ttrpcAddress: '', runtimeRoot: join(lab.root, 'runtime'), socketDir };
  const channel = orphan.stdio[3] as Socket;
  const unheard = new UnassignedShim(orphan.pid as number, channel).assign(orders, async () => {});
  setImmediate(() => channel.destroy());
  assert.equal(await unheard, undefined);
  assert.deepEqual(await ended, [1, null]);
});

test('a shim that has nothing, and nobody, ends after a while', async (t) => {
  const lab = await Laboratory.open(t);
  const [unused, used] = [await lab.shim('exit 0'), await lab.run('sleep 100')];
  for (const { client } of [unused, used]) client.close();
  await eventually(() => !alive(unused.pid), 'the end of the shim', 20);
  assert.ok(!existsSync(unused.address));
  assert.ok(alive(used.pid));
});

test('a shim without clients keeps the exit status, and tells of it when somebody listens again', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('sleep 0.3; echo late; exit 9');
  await lab.event('/tasks/start');
  lab.unlisten();
  shim.client.close();
  await eventually(() => lab.logged(shim) === 'late\n', 'the log line');
  lab.listen();
  const { event } = await lab.event('/tasks/exit');
  assert.equal(event.exitStatus, 9);
  const address = JSON.parse(readFileSync(join(shim.bundle, 'bootstrap.json'), 'utf8')).address;
  using again = await TtrpcClient.connect(address);
  assert.equal((await again.stub(Task).wait({ id: shim.id })).exitStatus, 9);
  assert.equal((await again.stub(Task).delete({ id: shim.id })).exitStatus, 9);
});

test('after a shim was killed, delete takes its container down', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('sleep 100');
  const { pid } = await shim.task.state({ id: shim.id });
  process.kill(shim.pid, 'SIGKILL');
  await shim.client.closed();
  assert.ok(alive(pid), 'the container outlives its shim');
  const where = {
    namespace: NAMESPACE,
    id: shim.id,
    bundle: shim.bundle,
    socketDir: join(lab.root, 's'),
    runtimeRoot: join(lab.root, 'runtime'),
  };
  const end = await deleteDeadShim(where);
  assert.deepEqual([end.pid, end.exitStatus], [pid, 137]);
  assert.ok(!alive(pid));
  assert.ok(!existsSync(shim.address));
  assert.equal((await deleteDeadShim(where)).exitStatus, 137, 'twice is fine');

  // Killed between its first two steps: the id is taken, and nothing is known yet.
  const claimed = join(where.runtimeRoot, shim.id);
  mkdirSync(claimed);
  await deleteDeadShim(where);
  assert.ok(!existsSync(claimed));
});

test('SIGTERM does not end a shim', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('sleep 100');
  process.kill(shim.pid, 'SIGTERM');
  assert.equal((await shim.task.state({ id: shim.id })).exitStatus, 0);
});

test('without forking, shims are programs and do the same', async (t) => {
  const lab = await Laboratory.open(t, { plain: true });
  assert.equal(lab.zygote.forking, false);
  const shim = await lab.run('echo plain; exit 3');
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 3);
  assert.equal(lab.logged(shim), 'plain\n');
  assert.equal((await shim.task.delete({ id: shim.id })).exitStatus, 3);
});

test('a zygote that cannot fork says why, and shims start as programs', async (t) => {
  const lab = await Laboratory.open(t, { nodeFlags: ['--no-single-threaded'] });
  assert.equal(lab.zygote.forking, false);
  assert.match(lab.messages.join('\n'), /forking does not work here: .*--no-single-threaded/);
});

test('two hundred forks in a row, thirty of them with a container', async (t) => {
  const lab = await Laboratory.open(t);
  const before = await lab.zygote.pid();
  for (let round = 0; round < 30; round++) {
    const shim = await lab.run(`exit ${round}`);
    assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, round);
    await shim.task.delete({ id: shim.id });
    await shim.task.shutdown({ id: shim.id });
    await shim.client.closed();
  }
  for (let round = 0; round < 170; round++) {
    const shim = await lab.shim('true');
    await shim.task.shutdown({ id: shim.id });
    await shim.client.closed();
  }
  await eventually(() => lab.shims.every(({ pid }) => !alive(pid)), 'all shims to end');
  assert.equal(await lab.zygote.pid(), before, 'one zygote did it all');
});
