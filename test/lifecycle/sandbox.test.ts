// Containers that share a shim: by the annotations of their configuration, and as members of a sandbox; over restarts and deaths.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { packJson, SPEC_TYPE } from '@berth/rpc/any';
import { Namespaces } from '@berth/rpc/gen/containerd/services/namespaces/v1/namespace';
import { Controller, Store } from '@berth/rpc/gen/containerd/services/sandbox/v1/sandbox';
import { Status } from '@berth/rpc/gen/containerd/types/task/task';
import { eventually } from '../harness/eventually.ts';
import { alive, Laboratory, NAMESPACE } from './laboratory.ts';

const BERTH = 'io.containerd.berth.v1';

function shimAddress(lab: Laboratory, id: string): string {
  return JSON.parse(readFileSync(join(lab.bundle(id), 'bootstrap.json'), 'utf8')).address;
}

for (const annotation of ['io.containerd.runc.v2.group', 'io.kubernetes.cri.sandbox-id']) {
  test(`containers with the same ${annotation} share a shim, which ends with the last of them`, async (t) => {
    const lab = await Laboratory.open(t);
    const change = (spec: { annotations?: Record<string, string> }) => {
      spec.annotations = { [annotation]: 'pod' };
    };
    // Also when they are created at the same time.
    const [one, two] = await Promise.all([lab.run('exec sleep 100', { change }), lab.run('exec sleep 100', { change })]);
    const alone = await lab.run('exec sleep 100');
    assert.equal(shimAddress(lab, one), shimAddress(lab, two));
    assert.notEqual(shimAddress(lab, one), shimAddress(lab, alone));
    const shim = Math.max(...[one, two].map((id) => JSON.parse(readFileSync(join(lab.bundle(id), 'bootstrap.json'), 'utf8')).pid ?? 0));
    assert.ok(alive(shim));

    await lab.stop();
    await lab.start();
    for (const id of [one, two]) assert.equal((await lab.tasks.get({ containerId: id })).process?.status, Status.RUNNING);
    await lab.tasks.kill({ containerId: one, signal: 9 });
    assert.equal((await lab.tasks.wait({ containerId: one })).exitStatus, 137);
    await lab.tasks.delete({ containerId: one });
    assert.equal((await lab.tasks.get({ containerId: two })).process?.status, Status.RUNNING);
    await lab.tasks.create({ containerId: one });
    await lab.tasks.start({ containerId: one });
    assert.equal(shimAddress(lab, one), shimAddress(lab, two));
    // The socket is the group's while one of it lives, so that a new one joins it and a restart finds it.
    assert.equal(JSON.parse(readFileSync(join(lab.bundle(one), 'bootstrap.json'), 'utf8')).pid, undefined, 'a shim of its own');
    await lab.remove(one);
    await eventually(() => readdirSync(join(lab.directory, 'state/deleting')).length === 0, 'the end of what was deleted');
    await lab.stop('SIGKILL');
    await lab.start();
    assert.equal((await lab.tasks.get({ containerId: two })).process?.status, Status.RUNNING);
    assert.ok(alive(shim));
    await lab.remove(two);
    await eventually(() => !alive(shim), 'the end of the shim');
  });
}

test('a shared shim that dies takes its containers with it, and each is told of', async (t) => {
  const lab = await Laboratory.open(t);
  const change = (spec: { annotations?: Record<string, string> }) => {
    spec.annotations = { 'io.containerd.runc.v2.group': 'g' };
  };
  const one = await lab.run('exec sleep 100', { change });
  const two = await lab.run('exec sleep 100', { change });
  const inits = [one, two].map((id) => Number(readFileSync(join(lab.bundle(id), 'init.pid'), 'utf8')));
  process.kill(lab.shimPid(one), 'SIGKILL');
  for (const id of [one, two]) assert.equal((await lab.event('/tasks/exit', id)).event.exitStatus, 137);
  await eventually(() => inits.every((pid) => !alive(pid)), 'the ends of both');
  const three = await lab.run('exec sleep 100', { change });
  assert.equal((await lab.tasks.get({ containerId: three })).process?.status, Status.RUNNING);
});

test('records of sandboxes: made, found, changed by field, deleted; their namespace is not empty', async (t) => {
  const lab = await Laboratory.open(t);
  const store = lab.connection.client(Store);
  const runtime = { name: BERTH };
  const { sandbox } = await store.create({ sandbox: { sandboxId: 's', runtime, labels: { a: '1', b: '2' } } });
  assert.ok(sandbox?.createdAt);
  await assert.rejects(store.create({ sandbox: { sandboxId: 's', runtime } }), (error) => isKind(error, 'AlreadyExists'));
  await assert.rejects(store.create({ sandbox: { sandboxId: 'x' } }), (error) => isKind(error, 'InvalidArgument'));
  await assert.rejects(store.create({ sandbox: { sandboxId: '../x', runtime } }), (error) => isKind(error, 'InvalidArgument'));
  await store.update({
    sandbox: { sandboxId: 's', labels: { a: '3' }, extensions: { e: packJson('t', {}) } },
    fields: ['labels.a', 'extensions.e'],
  });
  const got = (await store.get({ sandboxId: 's' })).sandbox;
  assert.deepEqual([got?.labels, Object.keys(got?.extensions ?? {})], [{ a: '3', b: '2' }, ['e']]);
  await assert.rejects(store.update({ sandbox: { sandboxId: 's', runtime: { name: 'a.b' } }, fields: [] }), /immutable/);
  await assert.rejects(store.update({ sandbox: { sandboxId: 's' }, fields: ['colour'] }), (error) => isKind(error, 'InvalidArgument'));
  assert.equal((await store.list({ filters: ['labels.a==3', 'id==none'] })).list.length, 1);
  assert.equal((await store.list({ filters: [`runtime.name==${BERTH},labels.a==4`] })).list.length, 0);
  assert.equal((await store.list({}, { namespace: 'other' })).list.length, 0);
  await assert.rejects(lab.connection.client(Namespaces).delete({ name: NAMESPACE }), /it still has .*sandboxes/);
  await store.delete({ sandboxId: 's' });
  await assert.rejects(store.get({ sandboxId: 's' }), (error) => isKind(error, 'NotFound'));
});

test('a sandbox runs, its containers share its shim, it stands a restart, and stops with what is in it', async (t) => {
  const lab = await Laboratory.open(t);
  const services = () => ({ store: lab.connection.client(Store), controller: lab.connection.client(Controller) });
  let { store, controller } = services();
  await assert.rejects(controller.create({ sandboxId: 's' }), (error) => isKind(error, 'NotFound'));
  await store.create({ sandbox: { sandboxId: 's', runtime: { name: BERTH } } });
  await controller.create({ sandboxId: 's', netnsPath: '/var/run/netns/x' });
  await assert.rejects(controller.create({ sandboxId: 's' }), (error) => isKind(error, 'AlreadyExists'));
  assert.equal((await controller.status({ sandboxId: 's' })).state, 'SANDBOX_NOTREADY');
  const { pid, address } = await controller.start({ sandboxId: 's' });
  assert.ok(alive(pid));
  const status = await controller.status({ sandboxId: 's', verbose: true });
  assert.deepEqual(
    [status.state, status.pid, status.info, status.address],
    ['SANDBOX_READY', pid, { networkNamespace: '/var/run/netns/x' }, address],
  );
  assert.equal((await controller.platform({ sandboxId: 's' })).platform?.os, 'linux');

  const id = await lab.container('exec sleep 100');
  await lab.containers.delete({ id });
  await lab.containers.create({
    container: { id, sandbox: 's', runtime: { name: BERTH }, spec: packJson(SPEC_TYPE, lab.spec(id, 'exec sleep 100')) },
  });
  await lab.tasks.create({ containerId: id });
  await lab.tasks.start({ containerId: id });
  assert.equal(`ttrpc+${shimAddress(lab, id)}`, address);
  await lab.stop('SIGKILL');
  await lab.start();
  ({ store, controller } = services());
  assert.equal((await controller.status({ sandboxId: 's' })).state, 'SANDBOX_READY');
  const waiting = controller.wait({ sandboxId: 's' });
  await controller.stop({ sandboxId: 's', timeoutSecs: 5 });
  assert.equal((await waiting).exitStatus, 0);
  assert.equal((await lab.tasks.wait({ containerId: id })).exitStatus, 137);
  await lab.remove(id);
  await controller.shutdown({ sandboxId: 's' });
  await eventually(() => !alive(pid), 'the end of the shim');
  assert.equal((await controller.status({ sandboxId: 's' })).pid, 0);
  await assert.rejects(controller.stop({ sandboxId: 's' }), (error) => isKind(error, 'NotFound'));

  // One whose shim is killed is forgotten, and may run again.
  await controller.create({ sandboxId: 's' });
  const again = await controller.start({ sandboxId: 's' });
  process.kill(again.pid, 'SIGKILL');
  await eventually(() => lab.events.filter(({ topic }) => topic === '/sandboxes/exit').length === 2, 'the event');
  await controller.create({ sandboxId: 's' });
  await controller.shutdown({ sandboxId: 's' });
  assert.deepEqual(
    lab.events
      .filter(({ topic }) => topic.startsWith('/sandboxes/'))
      .map(({ topic }) => topic)
      .includes('/sandboxes/create'),
    true,
  );
  const bundles = join(lab.directory, 'state/io.containerd.sandbox.controller.v1.shim', NAMESPACE);
  assert.deepEqual(existsSync(bundles) ? readdirSync(bundles) : [], []);
  await store.delete({ sandboxId: 's' });
});
