// The library in one process with its containers, as a shim uses it: root file systems that init mounts for itself, spans, pids.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, run } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';

test('an overlay of 100 layers is mounted where the host does not see it', async (t) => {
  const laboratory = Laboratory.open(t);
  const bundle = laboratory.bundle('cat /layer-99; grep -c " / overlay " /proc/self/mounts; echo x >/written');
  // Long names: their absolute paths do not fit into one page.
  const store = join(laboratory.directory, 'a-directory-whose-name-takes-a-good-part-of-a-page-all-by-itself', 'snapshots');
  const lower = Array.from({ length: 100 }, (_, index) => join(store, String(index), 'fs'));
  for (const directory of [...lower, join(store, 'upper/fs'), join(store, 'upper/work'), join(bundle, 'mounted')])
    mkdirSync(directory, { recursive: true });
  // The bundle's files are the lowest layer.
  mkdirSync(join(store, 'base'));
  renameSync(join(bundle, 'rootfs'), join(store, 'base/fs'));
  const probe = join(ROOT, 'test/runtime/library-probe.ts');
  const before = readFileSync('/proc/self/mountinfo', 'utf8');
  const result = await run(process.execPath, [
    '--v8-pool-size=0',
    '--single-threaded',
    probe,
    bundle,
    laboratory.root,
    laboratory.id(),
    store,
    lower.join(':'),
  ]);
  assert.equal(result.stderr, '');
  const { status, spans, output } = JSON.parse(result.stdout);
  assert.deepEqual([status, output], [0, 'layer 99\n1\n']);
  for (const name of ['runtime.create', 'fork', 'init.mounts', 'init.identity', 'runtime.start'])
    assert.ok(spans.includes(name), `${name} in ${spans}`);
  assert.equal(readFileSync(join(store, 'upper/fs/written'), 'utf8'), 'x\n');
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), before);
});
