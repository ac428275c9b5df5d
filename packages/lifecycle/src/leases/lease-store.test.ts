import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { openMemoryDatabase } from '../metadata/database.ts';
import { LeaseStore } from './lease-store.ts';

test('a lease keeps its resources until it is deleted, and they go with it', () => {
  const leases = new LeaseStore(openMemoryDatabase());
  const { id } = leases.create('n', '', { a: 'b' });
  assert.match(id, /^[0-9a-f]{24}$/);
  leases.addResource('n', id, 'content', 'sha256:1');
  leases.addResource('n', id, 'content', 'sha256:1');
  leases.addResource('n', id, 'snapshots/overlayfs', 'key');
  assert.equal(leases.resources('n', id).length, 2);
  leases.deleteResource('n', id, 'content', 'sha256:1');
  assert.deepEqual(leases.resources('n', id), [{ type: 'snapshots/overlayfs', id: 'key' }]);
  leases.delete('n', id);
  leases.create('n', id, {});
  assert.deepEqual(leases.resources('n', id), []);
});

test('names, namespaces and filters', () => {
  const leases = new LeaseStore(openMemoryDatabase());
  leases.create('n', 'one', { k: 'v' });
  assert.throws(() => leases.create('n', 'one', {}), /lease "one": already exists/);
  leases.create('m', 'one', {});
  leases.create('n', 'two', {});
  assert.deepEqual(
    leases.list('n', ['labels.k==v']).map(({ id }) => id),
    ['one'],
  );
  assert.deepEqual(
    leases
      .listAll()
      .map(({ namespace, id }) => `${namespace}/${id}`)
      .sort(),
    ['m/one', 'n/one', 'n/two'],
  );
  for (const call of [
    () => leases.delete('n', 'x'),
    () => leases.addResource('n', 'x', 'content', 'y'),
    () => leases.resources('n', 'x'),
  ]) {
    assert.throws(call, (error) => isKind(error, 'NotFound'));
  }
});
