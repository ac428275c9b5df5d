import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCopyArgument, planCopy, renamed, sourceBase } from './copy-plan.ts';

test('which argument names a container', () => {
  assert.deepEqual(parseCopyArgument('box:/x:y'), { container: 'box', path: '/x:y' });
  for (const path of ['/a:b', './a:b', '../a:b', 'plain', '-']) assert.deepEqual(parseCopyArgument(path), { container: undefined, path });
});

test('the base of a source', () => {
  assert.deepEqual(['/a/b', '/a/b/', '/a/b/.', '.', '/', 'x'].map(sourceBase), ['b', 'b', '.', '.', '', 'x']);
});

test('where a copy ends up', () => {
  const file = { isDirectory: false, base: 'f' };
  const tree = { isDirectory: true, base: 'd' };
  const contents = { isDirectory: true, base: '.' };
  const directory = { path: '/to', exists: true, isDirectory: true };
  const missing = { path: '/to/new', exists: false, isDirectory: false };
  const other = { path: '/to/f2', exists: true, isDirectory: false };
  assert.deepEqual(planCopy(file, directory), { directory: '/to', name: 'f' });
  assert.deepEqual(planCopy(tree, directory), { directory: '/to', name: 'd' });
  assert.deepEqual(planCopy(contents, directory), { directory: '/to', name: '.' });
  for (const source of [file, tree, contents]) assert.deepEqual(planCopy(source, missing), { directory: '/to', name: 'new' });
  assert.deepEqual(planCopy(tree, { ...missing, path: '/to/new/' }), { directory: '/to', name: 'new' });
  assert.deepEqual(planCopy(file, other), { directory: '/to', name: 'f2' });
  assert.throws(() => planCopy(tree, other), /cannot copy directory/);
  assert.throws(() => planCopy(file, { ...missing, path: '/to/new/' }), /no such directory/);
});

test('members get the name that the plan says', () => {
  const plan = { directory: '/to', name: 'new' };
  assert.deepEqual(
    ['d', 'd/x'].map((name) => renamed(name, 'd', plan)),
    ['new', 'new/x'],
  );
  assert.deepEqual(
    ['./', './x'].map((name) => renamed(name, '.', plan)),
    ['new/', 'new/x'],
  );
  assert.deepEqual(
    ['/', '/x'].map((name) => renamed(name, '', plan)),
    ['new/', 'new/x'],
  );
  assert.equal(renamed('d/x', 'd', { directory: '/to', name: 'd' }), 'd/x');
});
