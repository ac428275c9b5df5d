// The death of any one process: the service, a shim, the zygote. What runs goes on, what is dead is told and cleaned up.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { mkfifo } from '@berth/sys/path';
import { eventually } from '../harness/eventually.ts';
import { run } from '../harness/programs.ts';
import { alive, Laboratory, LIFECYCLE, NAMESPACE } from './laboratory.ts';

test('tasks live on when the service is killed, and are found again', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 100');
  const short = await lab.run('sleep 0.3; exit 9');
  const { process: before } = await lab.tasks.get({ containerId: id });
  await lab.stop('SIGKILL');
  assert.ok(alive(before?.pid ?? 0));
  // It ends while nobody listens.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await lab.start();
  const { process: after } = await lab.tasks.get({ containerId: id });
  assert.deepEqual([after?.status, after?.pid], [Status.RUNNING, before?.pid]);
  // Events are for those who listen; the exit itself is kept by the shim.
  assert.equal((await lab.tasks.wait({ containerId: short })).exitStatus, 9);
});

test('an orderly stop leaves tasks alone and no sockets', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 100');
  const pid = (await lab.tasks.get({ containerId: id })).process?.pid ?? 0;
  assert.equal(await lab.stop('SIGTERM'), 0);
  assert.ok(alive(pid));
  assert.equal(existsSync(lab.address), false);
  assert.equal(existsSync(`${lab.address}.ttrpc`), false);
});

test('a killed shim is told as an exit with 137, and nothing of its container is left', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 100');
  const pid = (await lab.tasks.get({ containerId: id })).process?.pid ?? 0;
  process.kill(lab.shimPid(id), 'SIGKILL');
  const { event } = await lab.event('/tasks/exit', id);
  assert.deepEqual([event.pid, event.exitStatus], [pid, 137]);
  await lab.event('/tasks/delete', id);
  await eventually(() => !alive(pid), 'the end of the container');
  await eventually(() => !existsSync(lab.bundle(id)), 'the end of the bundle');
  await assert.rejects(lab.tasks.get({ containerId: id }), (error) => isKind(error, 'NotFound'));
  await lab.tasks.create({ containerId: id });
});

test('a shim that dies while the service is down is cleaned up at the next start', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.run('sleep 100');
  const pid = (await lab.tasks.get({ containerId: id })).process?.pid ?? 0;
  const shim = lab.shimPid(id);
  await lab.stop('SIGKILL');
  process.kill(shim, 'SIGKILL');
  // What a creation leaves that was cut off before its shim served.
  mkdirSync(join(lab.bundle('halfway'), 'rootfs'), { recursive: true });
  writeFileSync(join(lab.bundle('halfway'), 'config.json'), '{}');
  await lab.start();
  assert.deepEqual((await lab.tasks.list({})).tasks, []);
  assert.equal(alive(pid), false);
  assert.equal(existsSync(lab.bundle(id)), false);
  assert.equal(existsSync(lab.bundle('halfway')), false);
});

test('the zygote may die: the next task is made all the same', async (t) => {
  const lab = await Laboratory.open(t);
  const first = await lab.run('sleep 100');
  const { stdout } = await run('ps', ['-o', 'pid=', '-o', 'args=', '--ppid', String(lab.process.pid)]);
  const zygote = Number(/^\s*(\d+) berth-zygote/m.exec(stdout)?.[1]);
  assert.ok(zygote > 1, stdout);
  process.kill(zygote, 'SIGKILL');
  const second = await lab.run('exit 4');
  assert.equal((await lab.tasks.wait({ containerId: second })).exitStatus, 4);
  assert.equal((await lab.tasks.get({ containerId: first })).process?.status, Status.RUNNING);
});

test('without forking, shims are programs of their own', async (t) => {
  const lab = await Laboratory.open(t, ['--plain-shims']);
  const id = await lab.run('exit 6');
  assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 6);
});

test('a second service on the same socket or root is refused in one line', async (t) => {
  const lab = await Laboratory.open(t);
  const same = await run(LIFECYCLE, [...lab.flags()], { timeout: 10_000 });
  assert.deepEqual(
    [same.code, same.stderr],
    [1, `berth-lifecycle: the socket ${lab.address} is in use by another service; stop it or choose another --address\n`],
  );
  const other = await run(LIFECYCLE, [...lab.flags(), '--address', `${lab.address}2`], { timeout: 10_000 });
  assert.equal(other.code, 1);
  assert.match(other.stderr, /^berth-lifecycle: .*metadata\.db is in use by another berth-lifecycle; stop it or choose another --root\n$/);
  const wrong = await run(LIFECYCLE, ['--rot', '/x']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--rot/);
});

test('a killed shim is noticed also before its container was started: what waits there holds none of its connections', async (t) => {
  const lab = await Laboratory.open(t);
  const id = await lab.container('sleep 100');
  const { pid } = await lab.tasks.create({ containerId: id });
  process.kill(lab.shimPid(id), 'SIGKILL');
  await lab.event('/tasks/delete', id);
  await eventually(() => !alive(pid), 'the end of the container');
  await lab.tasks.create({ containerId: id });
});

test('a shim that is killed before it has noted the pid of a new container leaves nothing of it', async (t) => {
  const lab = await Laboratory.open(t);
  await lab.remove(await lab.run('true'));
  const id = await lab.container('sleep 100');
  // It waits for a reader of the pipe that it finds in the file's place.
  const watcher = watch(dirname(lab.bundle(id)), () => {
    watcher.close();
    mkfifo(join(lab.bundle(id), 'init.pid.tmp'), 0o600);
  });
  const created = lab.tasks.create({ containerId: id }).catch((error: unknown) => error);
  const state = join(lab.directory, 'state/runtime', NAMESPACE, id);
  const draft = join(state, 'init.json.new');
  await eventually(() => existsSync(draft), 'a container whose init is born');
  const { pid } = JSON.parse(readFileSync(draft, 'utf8'));
  const shim = lab.shimPid(id);
  await eventually(() => readFileSync(`/proc/${shim}/wchan`, 'utf8') === 'wait_for_partner', 'a shim that waits');
  assert.ok(!existsSync(join(lab.bundle(id), 'init.pid')));
  process.kill(shim, 'SIGKILL');
  assert.ok(isKind(await created, 'Unavailable'), String(await created));
  await eventually(() => !alive(pid), 'the end of the container');
  assert.ok(!existsSync(state));
  assert.ok(!existsSync(lab.bundle(id)));
});
