// `berth-registry gc` beside a registry that serves: what a manifest needs stays, what nobody needs goes, what is just coming stays.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Digest, digestOf } from '@berth/oci/digest';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { BerthRegistry, manifestOf } from './berth-registry.ts';

function blobPath(registry: BerthRegistry, digest: Digest): string {
  return join(registry.root, 'blobs/sha256', digest.slice(7, 9), digest.slice(7));
}

async function collected(registry: BerthRegistry, ...flags: string[]): Promise<string> {
  await sleep(30);
  const result = await registry.collect(...flags);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

test('only what no manifest needs goes', async () => {
  await using registry = await BerthRegistry.start();
  const kept = await registry.putImage('a/kept', '1', randomBytes(1000));
  const gone = await registry.putImage('a/gone', '1', randomBytes(1000));
  const loose = await registry.putBlob('a/kept', randomBytes(500));
  const shared = await registry.putBlob('a/gone', randomBytes(700));
  await registry.fetch(`/v2/a/kept/blobs/uploads/?mount=${shared}&from=a/gone`, { method: 'POST' });
  assert.equal((await registry.putManifest('a/kept', '2', manifestOf(kept.config, 66, shared, 700))).status, 400);
  const size = Buffer.byteLength(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }));
  assert.equal((await registry.putManifest('a/kept', '2', manifestOf(kept.config, size, shared, 700))).status, 201);
  assert.equal((await registry.fetch(`/v2/a/gone/manifests/${gone.digest}`, { method: 'DELETE' })).status, 202);

  assert.match(await collected(registry), /^deleted 0 manifests, 0 blobs of 0 bytes/);
  const dry = await collected(registry, '--grace', '0s', '--dry-run');
  assert.match(dry, /would delete 0 manifests, 3 blobs of /);
  assert.ok(dry.includes(`blob ${loose}`) && dry.includes(`blob ${gone.layer}`) && dry.includes(`blob ${gone.digest}`));
  assert.ok(existsSync(blobPath(registry, loose)));
  assert.match(await collected(registry, '--grace', '0s'), /^blob [\s\S]*deleted 0 manifests, 3 blobs/);
  for (const digest of [loose, gone.layer, gone.digest]) assert.ok(!existsSync(blobPath(registry, digest)));
  for (const digest of [kept.layer, kept.config, shared]) assert.equal((await registry.fetch(`/v2/a/kept/blobs/${digest}`)).status, 200);
  assert.equal((await registry.fetch(`/v2/a/kept/blobs/${loose}`)).status, 404);
  assert.match(await collected(registry, '--grace', '0s'), /^deleted 0 manifests, 0 blobs/);
});

test('untagged manifests go when asked, unless an index or a subject leads to them', async () => {
  await using registry = await BerthRegistry.start();
  const child = await registry.putImage('u/app', 'child', randomBytes(100));
  const old = await registry.putImage('u/app', 'moving', randomBytes(100));
  const manifests = [{ mediaType: MEDIA_TYPE.ociManifest, digest: child.digest, size: 1 }];
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests });
  assert.equal((await registry.putManifest('u/app', 'index', Buffer.from(index), MEDIA_TYPE.ociIndex)).status, 201);
  const subject = { mediaType: MEDIA_TYPE.ociIndex, digest: digestOf(index), size: index.length };
  const signature = await registry.putImage('u/app', 'signature', randomBytes(100), { subject, artifactType: 'application/sig' });
  await registry.putImage('u/app', 'moving', randomBytes(100));
  for (const tag of ['child', 'signature']) await registry.fetch(`/v2/u/app/manifests/${tag}`, { method: 'DELETE' });

  assert.match(await collected(registry, '--grace', '0s'), /^deleted 0 manifests, 0 blobs/);
  assert.match(await collected(registry, '--delete-untagged'), /^deleted 0 manifests, 0 blobs/);
  assert.match(await collected(registry, '--delete-untagged', '--grace', '0s'), /^u\/app: manifest [\s\S]*deleted 1 manifests, 2 blobs/);
  const status = async (digest: string) => (await registry.fetch(`/v2/u/app/manifests/${digest}`)).status;
  assert.deepEqual(await Promise.all([old.digest, child.digest, signature.digest, subject.digest].map(status)), [404, 200, 200, 200]);
});

test('pushes go on while collections run without a grace period', async () => {
  await using registry = await BerthRegistry.start();
  const old = randomBytes(2000);
  await registry.putBlob('busy/app', old);
  let pushing = true;
  const collecting = (async () => {
    while (pushing) assert.equal((await registry.collect('--grace', '0s')).code, 0);
  })();
  let pushed = 0;
  for (let round = 0; round < 25; round++) {
    // A blob may go between its push and its manifest: then the manifest is refused, never stored broken.
    const image = await registry.putImage('busy/app', `v${round}`, round % 2 ? old : randomBytes(2000)).catch((error: Error) => {
      assert.match(error.message, /MANIFEST_BLOB_UNKNOWN/);
    });
    if (image) pushed++;
  }
  pushing = false;
  await collecting;
  assert.ok(pushed > 0);
  for (const tag of ((await (await registry.fetch('/v2/busy/app/tags/list')).json()) as { tags: string[] }).tags) {
    const manifest = (await (await registry.fetch(`/v2/busy/app/manifests/${tag}`)).json()) as ReturnType<typeof manifestOf>;
    for (const { digest } of [manifest.config, ...manifest.layers])
      assert.equal((await registry.fetch(`/v2/busy/app/blobs/${digest}`)).status, 200, tag);
  }
});

test('what a killed collector left in the trash is taken back', async () => {
  await using registry = await BerthRegistry.start();
  const first = await registry.putImage('t/app', '1', randomBytes(100));
  const second = await registry.putImage('t/app', '2', randomBytes(100));
  const trashed = (digest: Digest) => {
    const path = blobPath(registry, digest);
    const place = path.replace(registry.root, join(registry.root, 'trash'));
    mkdirSync(dirname(place), { recursive: true });
    renameSync(path, place);
    return place;
  };
  trashed(first.layer);
  assert.equal((await registry.fetch(`/v2/t/app/blobs/${first.layer}`)).status, 200);
  trashed(first.digest);
  assert.equal((await registry.fetch('/v2/t/app/manifests/1')).status, 200);
  const place = trashed(second.layer);
  await collected(registry, '--grace', '0s');
  assert.ok(existsSync(blobPath(registry, second.layer)) && !existsSync(place));
});
