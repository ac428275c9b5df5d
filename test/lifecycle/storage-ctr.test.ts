// Debian's ctr (containerd's own client) against the built service: everything it does with images, content and snapshots.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '@berth/oci/digest';
import { eventually } from '../harness/eventually.ts';
import { imageArchive } from './image-archive.ts';
import { Laboratory, NAMESPACE } from './laboratory.ts';

test('ctr imports, unpacks, compares, exports and removes an image', async (t) => {
  const laboratory = await Laboratory.open(t);
  const ctr = async (...args: string[]) => {
    const result = await laboratory.ctr(...args);
    assert.equal(result.code, 0, `ctr ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };
  const name = 'docker.io/library/storage-test:1';
  const archive = imageArchive(
    laboratory.directory,
    name,
    execFileSync('tar', ['cf', '-', '-C', laboratory.rootfs, '.'], { maxBuffer: 1 << 26 }),
  );

  await ctr('images', 'import', archive);
  assert.match(await ctr('images', 'check'), new RegExp(`${name}.*complete \\(3/3\\).*true`));
  assert.match(await ctr('images', 'ls'), new RegExp(`${name} +application/vnd.oci.image.manifest.v1\\+json`));
  // The layout's index is not what the image points to: it may have been collected already.
  assert.ok((await ctr('content', 'ls', '-q')).trim().split('\n').length >= 4);

  const snapshots = (await ctr('snapshots', 'ls')).split('\n').slice(1).filter(Boolean);
  assert.equal(snapshots.filter((line) => line.includes('Committed')).length, 2);
  const top = snapshots.map((line) => line.split(/ +/)).find(([, parent]) => parent?.startsWith('sha256:'))?.[0] as string;

  await ctr('snapshots', 'prepare', 'work', top);
  const mounts = await ctr('snapshots', 'mounts', '/somewhere', 'work');
  const upper = /upperdir=([^,]+)/.exec(mounts)?.[1] as string;
  assert.match(mounts, /^mount -t overlay overlay \/somewhere -o workdir=.*,lowerdir=[^:]+:[^,]+/);
  writeFileSync(join(upper, 'new'), 'new');
  const diff = join(laboratory.directory, 'diff.tar');
  execFileSync('sh', [
    '-c',
    `ctr -a ${laboratory.address} -n ${NAMESPACE} snapshots diff --media-type application/vnd.oci.image.layer.v1.tar work > ${diff}`,
  ]);
  assert.equal(execFileSync('tar', ['tf', diff], { encoding: 'utf8' }), 'new\n');
  await ctr('snapshots', 'commit', 'committed', 'work');
  assert.match(await ctr('snapshots', 'info', 'committed'), /"Kind": "Committed"/);
  await ctr('snapshots', 'rm', 'committed');

  const bytes = join(laboratory.directory, 'bytes');
  writeFileSync(bytes, 'some bytes');
  const digest = digestOf('some bytes');
  // Nothing holds it before it has this label: a collection may come first.
  await eventually(async () => {
    execFileSync('sh', ['-c', `ctr -a ${laboratory.address} -n ${NAMESPACE} content ingest ref < ${bytes}`]);
    return (await laboratory.ctr('content', 'label', digest, 'a=b', 'containerd.io/gc.root=now')).code === 0;
  }, 'a blob with a label');
  assert.equal(await ctr('content', 'get', digest), 'some bytes');
  assert.match(await ctr('content', 'ls'), /a=b/);

  const exported = join(laboratory.directory, 'exported.tar');
  await ctr('images', 'export', exported, name);
  assert.match(execFileSync('tar', ['tf', exported], { encoding: 'utf8' }), /index\.json/);

  await ctr('images', 'tag', name, 'other:1');
  await ctr('images', 'rm', name);
  assert.equal((await ctr('images', 'ls', '-q')).trim(), 'other:1');
  await ctr('content', 'rm', digest);
  await ctr('images', 'rm', '--sync', 'other:1');
  assert.equal(await ctr('content', 'ls', '-q'), '');
  assert.equal((await ctr('snapshots', 'ls')).trim().split('\n').length, 1);
});

test('ctr gets the answers that containerd would give', async (t) => {
  const laboratory = await Laboratory.open(t);
  for (const [args, message] of [
    [['images', 'rm', 'nothing:1'], /nothing:1: image not found/],
    [['content', 'get', `sha256:${'0'.repeat(64)}`], /content digest sha256:0+: not found/],
    [['snapshots', 'rm', 'nothing'], /snapshot nothing does not exist: not found/],
    [['snapshots', 'prepare', 'a', 'unknown'], /parent snapshot unknown does not exist: not found/],
    [['snapshots', '--snapshotter', 'nothing', 'ls'], /snapshotter not loaded: nothing/],
  ] as const) {
    const { code, stderr, stdout } = await laboratory.ctr(...args);
    assert.match(stderr + stdout, message);
    // ctr only warns of an image that is not there.
    assert.equal(code === 0, args[0] === 'images');
  }
});
