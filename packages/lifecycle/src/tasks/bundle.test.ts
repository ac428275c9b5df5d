import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { Bundles, parseBootstrap } from './bundle.ts';
import { shimProgramOf } from './shims.ts';

test('a bundle is made with its configuration, found again, and gone at once', (t) => {
  const state = mkdtempSync(join(tmpdir(), 'berth-bundle-'));
  t.after(() => rmSync(state, { recursive: true }));
  const bundles = new Bundles(state);
  const bundle = bundles.create('n', 'c', 'io.containerd.berth.v1', Buffer.from('{}'));
  assert.equal(readFileSync(join(bundle.path, 'config.json'), 'utf8'), '{}');
  assert.throws(
    () => bundles.create('n', 'c', 'r', Buffer.from('{}')),
    (error) => isKind(error, 'AlreadyExists'),
  );
  assert.equal(bundles.shim(bundle), undefined);
  assert.equal(bundles.initPid(bundle), 0);
  bundles.writeShim(bundle, { address: '/run/x', version: 3 });
  writeFileSync(join(bundle.path, 'init.pid'), '42');
  const again = new Bundles(state);
  assert.deepEqual(again.list(), [bundle]);
  assert.deepEqual(
    [again.runtime(bundle), again.shim(bundle), again.initPid(bundle)],
    ['io.containerd.berth.v1', { address: '/run/x', version: 3 }, 42],
  );
  const retired = again.retire(bundle);
  assert.deepEqual([again.list(), existsSync(bundle.path)], [[], false]);
  const third = new Bundles(state);
  assert.deepEqual(third.retired(), [retired]);
  assert.deepEqual(third.shim(retired), { address: '/run/x', version: 3 });
  third.remove(third.create('n', 'c', 'r', Buffer.from('{}')));
  third.discard(retired);
  assert.deepEqual(third.retired(), []);
});

test("a shim's answer: JSON of version 3, an address of version 2, nothing else", () => {
  assert.deepEqual(parseBootstrap('{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}\n'), { address: '/run/s', version: 3 });
  assert.deepEqual(parseBootstrap('unix:///run/s'), { address: '/run/s', version: 2 });
  assert.throws(
    () => parseBootstrap('{"version":3,"address":"unix:///run/s","protocol":"grpc"}'),
    (error) => isKind(error, 'NotImplemented'),
  );
  assert.throws(() => parseBootstrap('vsock://3:1'), /not a unix socket/);
});

test('runtime names and their programs', () => {
  assert.equal(shimProgramOf('io.containerd.runc.v2'), 'containerd-shim-runc-v2');
  assert.equal(shimProgramOf('/opt/shim'), '/opt/shim');
  for (const bad of ['runc', '', '../x.y', 'a b.c'])
    assert.throws(
      () => shimProgramOf(bad),
      (error) => isKind(error, 'InvalidArgument'),
      bad,
    );
});
