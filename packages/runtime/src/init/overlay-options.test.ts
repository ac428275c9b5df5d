import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fitOverlayOptions } from './overlay-options.ts';

test('options that fit stay as they are', () => {
  const data = 'lowerdir=/a/1/fs:/a/2/fs,upperdir=/a/3/fs,workdir=/a/3/work';
  assert.deepEqual(fitOverlayOptions(data), { data, workingDirectory: undefined });
});

test('the lower directories of many layers become relative, the others stay', () => {
  const root = '/var/lib/berth/lifecycle/snapshots/overlayfs/snapshots';
  const lower = Array.from({ length: 127 }, (_, index) => `${root}/${index}/fs`);
  const { data, workingDirectory } = fitOverlayOptions(
    `index=off,lowerdir=${lower.join(':')},upperdir=${root}/200/fs,workdir=${root}/200/work`,
  );
  assert.equal(workingDirectory, root);
  assert.ok(data.length < 4096);
  assert.ok(data.startsWith('index=off,lowerdir=0/fs:1/fs:') && data.endsWith(`,upperdir=${root}/200/fs,workdir=${root}/200/work`));
});

test('joined to the working directory they are the paths that they were', () => {
  const name = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`);
  fc.assert(
    fc.property(fc.array(path, { minLength: 400, maxLength: 500 }), (paths) => {
      const { data, workingDirectory } = fitOverlayOptions(`lowerdir=${paths.join(':')},upperdir=/u,workdir=/w,x=${'y'.repeat(4096)}`);
      const lower = data.slice('lowerdir='.length).split(',')[0]?.split(':') ?? [];
      assert.deepEqual(workingDirectory === undefined ? lower : lower.map((each) => `${workingDirectory}/${each}`), paths);
    }),
    { numRuns: 30 },
  );
});

test("paths with nothing in common are left to the kernel's verdict", () => {
  const data = `lowerdir=/${'a'.repeat(3000)}:/${'b'.repeat(3000)},upperdir=/u,workdir=/w`;
  assert.deepEqual(fitOverlayOptions(data), { data, workingDirectory: undefined });
});
