import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAccounts, resolveUser } from './users.ts';

const accounts = parseAccounts(
  'root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001:Ada:/home/ada:/bin/sh\n',
  'root:x:0:root\nada:x:1001:\nsailors:x:50:ada,root\n',
);

test('root, by default and by name', () => {
  assert.deepEqual(resolveUser('', [], accounts), { uid: 0, gid: 0, additionalGids: [0, 50], home: '/root' });
  assert.equal(resolveUser('root', [], accounts).uid, 0);
});

test('names, numbers and groups', () => {
  assert.deepEqual(resolveUser('ada', ['7'], accounts), { uid: 1000, gid: 1001, additionalGids: [1001, 50, 7], home: '/home/ada' });
  assert.deepEqual(resolveUser('ada:sailors', [], accounts), { uid: 1000, gid: 50, additionalGids: [50], home: '/home/ada' });
  assert.deepEqual(resolveUser('5:6', [], accounts), { uid: 5, gid: 6, additionalGids: [6], home: '/' });
  assert.deepEqual(resolveUser('5', [], parseAccounts('', '')), { uid: 5, gid: 0, additionalGids: [0], home: '/' });
});

test('unknown names are refused', () => {
  assert.throws(() => resolveUser('bob', [], accounts), { message: 'unable to find user bob: no matching entries in passwd file' });
  assert.throws(() => resolveUser('ada:crew', [], accounts), { message: 'unable to find group crew: no matching entries in group file' });
  assert.throws(() => resolveUser('4294967295', [], accounts), /uids and gids must be in range/);
});
