import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { Container } from '@berth/rpc/gen/containerd/services/containers/v1/containers';
import { openMemoryDatabase } from '../metadata/database.ts';
import { ContainerStore } from './container-store.ts';

const EMPTY = Container.decode(new Uint8Array(0));
const runtime = { name: 'io.containerd.berth.v1', options: undefined };

function store(): ContainerStore {
  return new ContainerStore(openMemoryDatabase());
}

function make(id: string, more: Partial<Container> = {}): Container {
  return { ...EMPTY, id, runtime, ...more };
}

test('what was created is what is got, in its namespace only', () => {
  const containers = store();
  const spec = { typeUrl: 'x', value: Buffer.from('{"ociVersion":"1.1.0"}') };
  const created = containers.create('one', make('a', { labels: { k: 'v' }, spec }));
  assert.ok(created.createdAt);
  assert.deepEqual(containers.get('one', 'a'), { ...created, runtime: { name: runtime.name } });
  assert.throws(() => containers.get('two', 'a'), /container "a" in namespace "two": not found/);
  assert.throws(
    () => containers.create('one', make('a')),
    (error) => isKind(error, 'AlreadyExists'),
  );
  containers.create('two', make('a'));
  assert.equal(containers.list('one').length, 1);
});

test('a container needs a good id, a runtime, and a snapshotter for its snapshot', () => {
  const containers = store();
  for (const bad of [
    make(''),
    make('a/b'),
    make('..'),
    make('x'.repeat(77)),
    make('a', { runtime: undefined }),
    make('a', { snapshotKey: 's' }),
  ]) {
    assert.throws(
      () => containers.create('n', bad),
      (error) => isKind(error, 'InvalidArgument'),
      bad.id,
    );
  }
});

test('an update changes what its mask names, and without one all that may change', () => {
  const containers = store();
  containers.create('n', make('a', { labels: { one: '1', two: '2' }, image: 'old' }));
  containers.update('n', make('a', { labels: { one: 'changed', two: '' }, image: 'new' }), ['labels.one', 'labels.two']);
  assert.deepEqual(containers.get('n', 'a').labels, { one: 'changed' });
  assert.equal(containers.get('n', 'a').image, 'old');
  const extension = { typeUrl: 't', value: Buffer.from('v') };
  containers.update('n', make('a', { extensions: { 'a.b': extension } }), ['extensions.a.b']);
  assert.deepEqual(containers.get('n', 'a').extensions, { 'a.b': extension });
  containers.update('n', make('a', { image: 'newest' }), []);
  assert.deepEqual(
    [containers.get('n', 'a').image, containers.get('n', 'a').labels, containers.get('n', 'a').extensions],
    ['newest', {}, {}],
  );
  assert.throws(() => containers.update('n', make('a'), ['runtime']), /cannot update "runtime" field/);
  assert.throws(
    () => containers.update('n', make('a', { runtime: { name: 'other', options: undefined } }), []),
    /container\.Runtime\.Name field is immutable/,
  );
  assert.throws(
    () => containers.update('n', make('b'), []),
    (error) => isKind(error, 'NotFound'),
  );
});

test('filters by id, image, runtime and labels', () => {
  const containers = store();
  containers.create('n', make('a', { image: 'busybox', labels: { 'com.example/role': 'web' } }));
  containers.create('n', make('b', { image: 'debian' }));
  const ids = (...filters: string[]) => containers.list('n', filters).map(({ id }) => id);
  assert.deepEqual(ids(), ['a', 'b']);
  assert.deepEqual(ids('image==debian'), ['b']);
  assert.deepEqual(ids('labels."com.example/role"==web'), ['a']);
  assert.deepEqual(ids('runtime.name==io.containerd.berth.v1,id~=|^b$|', 'id==a'), ['a', 'b']);
});
