import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { namespaceContents } from '../namespaces/namespace-contents.ts';
import { NamespaceStore } from '../namespaces/namespace-store.ts';
import { openDatabase, openMemoryDatabase } from './database.ts';

test('what was written is there after a reopening; a newer schema is refused', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'berth-db-'));
  t.after(() => rmSync(root, { recursive: true }));
  const first = openDatabase(root);
  new NamespaceStore(first, () => []).create('n', { a: 'b' });
  first.close();
  const second = openDatabase(root);
  assert.deepEqual(new NamespaceStore(second, () => []).get('n'), { name: 'n', labels: { a: 'b' } });
  second.pragma('user_version = 1000');
  second.close();
  assert.throws(
    () => openDatabase(root),
    (error) => isKind(error, 'FailedPrecondition'),
  );
});

test('a namespace is deleted only when it is empty', () => {
  const database = openMemoryDatabase();
  const namespaces = new NamespaceStore(database, namespaceContents(database));
  namespaces.ensure('n');
  namespaces.ensure('n');
  database.exec(`INSERT INTO container VALUES ('n', 'c', '', '', '{}', x'')`);
  assert.throws(() => namespaces.delete('n'), /namespace "n" must be empty, but it still has containers: failed precondition/);
  database.exec('DELETE FROM container');
  namespaces.delete('n');
  assert.throws(() => namespaces.delete('n'), /namespace "n": not found/);
  assert.deepEqual(namespaces.get('n'), { name: 'n', labels: {} });
  namespaces.ensure('n');
  assert.deepEqual(namespaces.update('n', { a: '1' }, ['labels.a']), { name: 'n', labels: { a: '1' } });
  assert.throws(
    () => namespaces.create('n', {}),
    (error) => isKind(error, 'AlreadyExists'),
  );
  assert.throws(
    () => namespaces.create('a/b', {}),
    (error) => isKind(error, 'InvalidArgument'),
  );
});
