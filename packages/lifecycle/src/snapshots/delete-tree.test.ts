import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { deleteTree } from './delete-tree.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-delete-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function tree(name: string, files: number): string {
  const path = join(root, name);
  mkdirSync(join(path, 'fs/etc'), { recursive: true });
  mkdirSync(join(path, 'work/work'), { recursive: true });
  for (let index = 0; index < files; index++) writeFileSync(join(path, 'fs/etc', `file-${index}`), 'text');
  return path;
}

for (const files of [0, 3, 27, 28, 29, 500]) {
  test(`a tree with ${files} files goes`, async () => {
    const path = tree('doomed', files);
    await deleteTree(path);
    assert.ok(!existsSync(path));
  });
}

test('a large file goes', async () => {
  const path = tree('doomed', 1);
  truncateSync(join(path, 'fs/etc/file-0'), 1 << 24);
  await deleteTree(path);
  assert.ok(!existsSync(path));
});

test('what a link points to stays', async () => {
  const kept = tree('kept', 3);
  const path = tree('doomed', 1);
  symlinkSync(kept, join(path, 'fs/link'));
  await deleteTree(path);
  assert.ok(!existsSync(path));
  assert.ok(existsSync(join(kept, 'fs/etc/file-2')));
});

test('nothing happens while the caller is answered, and a tree that is gone already is no error', async () => {
  const path = tree('doomed', 1);
  const deleting = deleteTree(path);
  assert.ok(existsSync(path));
  await deleting;
  await deleteTree(path);
});
