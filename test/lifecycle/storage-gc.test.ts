// What the garbage collector takes and what it leaves.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStorage } from './storage-fixture.ts';

const SCOPE = { namespace: 'test' };

test('an image keeps its manifest, what that refers to, and the snapshots below; without it all of them go', async () => {
  await using fixture = openStorage();
  const { storage } = fixture;
  const content = storage.content.in(SCOPE);
  const images = storage.images.in(SCOPE);
  const snapshotter = storage.snapshotter(SCOPE, '');
  for (const [name, parent] of [
    ['one', undefined],
    ['two', 'one'],
    ['three', 'two'],
    ['other', 'one'],
  ] as const) {
    await snapshotter.prepare(`work ${name}`, parent);
    await snapshotter.commit(name, `work ${name}`);
  }
  const layer = await content.put(Buffer.from('layer'));
  const config = await content.put(Buffer.from('config'), { 'containerd.io/gc.ref.snapshot.overlayfs': 'three' });
  const manifest = await content.put(Buffer.from('manifest'), {
    'containerd.io/gc.ref.content.config': config,
    'containerd.io/gc.ref.content.l.0': layer,
  });
  await content.put(Buffer.from('nobody wants me'));
  const rooted = await content.put(Buffer.from('rooted'), { 'containerd.io/gc.root': 'yes' });
  images.create({ name: 'image', target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: manifest, size: 8 } });
  assert.deepEqual(await storage.collect(), { content: 1, snapshots: 1, ingests: 0, leases: 0 });
  assert.deepEqual(
    content
      .list()
      .map((info) => info.digest)
      .sort(),
    [layer, config, manifest, rooted].sort(),
  );
  assert.deepEqual(
    snapshotter.list().map((info) => info.name),
    ['one', 'three', 'two'],
  );
  images.delete('image');
  assert.deepEqual(await storage.collect(), { content: 3, snapshots: 3, ingests: 0, leases: 0 });
  assert.deepEqual(readdirSync(join(fixture.root, 'io.containerd.snapshotter.v1.overlayfs/snapshots')), []);
  assert.deepEqual(
    content.list().map((info) => info.digest),
    [rooted],
  );
});

test('a blob that is there already is kept by the lease of whoever brings it again', async () => {
  await using fixture = openStorage();
  const { storage, leases } = fixture;
  const bytes = Buffer.from('left by a client that was killed');
  const digest = await storage.content.in(SCOPE).put(bytes);
  leases.create('test', 'second', {});
  const content = storage.content.in({ ...SCOPE, lease: 'second' });
  const writer = await content.writer({ ref: 'again' });
  await writer.write(bytes);
  await assert.rejects(writer.commit(), { kind: 'AlreadyExists' });
  await storage.collect();
  assert.ok(content.has(digest));
  leases.delete('test', 'second');
  await storage.collect();
  assert.ok(!content.has(digest));
});

test('what is made under a lease stays until the lease ends', async () => {
  await using fixture = openStorage();
  const { storage, leases } = fixture;
  leases.create('test', 'pull', {});
  const scope = { ...SCOPE, lease: 'pull' };
  const content = storage.content.in(scope);
  const snapshotter = storage.snapshotter(scope, '');
  const child = await content.put(Buffer.from('child'));
  await content.put(Buffer.from('parent'), { 'containerd.io/gc.ref.content.0': child });
  await snapshotter.prepare('work');
  await snapshotter.commit('base', 'work');
  await snapshotter.prepare('top', 'base');
  await using writer = await content.writer({ ref: 'half' });
  await writer.write(Buffer.from('half'));
  assert.deepEqual(await storage.collect(), { content: 0, snapshots: 0, ingests: 0, leases: 0 });
  leases.delete('test', 'pull');
  assert.deepEqual(await storage.collect(), { content: 2, snapshots: 2, ingests: 0, leases: 0 });
});

test('a present blob or snapshot that a lease takes up is kept although its last image goes', async () => {
  await using fixture = openStorage();
  const { storage, leases } = fixture;
  const snapshotter = storage.snapshotter(SCOPE, '');
  const digest = await storage.content.in(SCOPE).put(Buffer.from('blob'));
  await snapshotter.prepare('work');
  await snapshotter.commit('base', 'work');
  leases.create('test', 'pull', {});
  const scope = { ...SCOPE, lease: 'pull' };
  await assert.rejects(storage.content.in(scope).writer({ ref: 'r', expected: digest }), /already exists/);
  storage.snapshotter(scope, '').retain('base');
  assert.deepEqual(await storage.collect(), { content: 0, snapshots: 0, ingests: 0, leases: 0 });
});

test('a flat lease keeps what it names and not what that refers to; an expired lease keeps nothing', async () => {
  await using fixture = openStorage();
  const { storage, leases } = fixture;
  const content = storage.content.in(SCOPE);
  const child = await content.put(Buffer.from('child'));
  const parent = await content.put(Buffer.from('parent'), { 'containerd.io/gc.ref.content.0': child });
  leases.create('test', 'flat', { 'containerd.io/gc.flat': 'true' });
  leases.addResource('test', 'flat', 'content', parent);
  leases.create('test', 'old', { 'containerd.io/gc.expire': '2020-01-01T00:00:00Z' });
  leases.addResource('test', 'old', 'content', child);
  assert.deepEqual(await storage.collect(), { content: 1, snapshots: 0, ingests: 0, leases: 1 });
  assert.deepEqual(
    content.list().map((info) => info.digest),
    [parent],
  );
});
