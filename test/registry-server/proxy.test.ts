// berth-registry as a pull-through cache of Debian's docker-registry, and of a registry that misbehaves.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '@berth/oci/digest';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';
import { BerthRegistry, codeOf } from './berth-registry.ts';

const before = (host: string, ...more: string[]) => ({ flags: () => ['--proxy', `http://${host}`, ...more] });

test('what was pulled once is served from then on, also without the registry above', async () => {
  const above = await startRegistry();
  try {
    await using cache = await BerthRegistry.start(before(above.host));
    const first = await storeImage(`${above.host}/library/app:1`, { family: 'oci', layers: [[{ name: 'a', body: randomBytes(300_000) }]] });
    const pull = async () => {
      const manifest = await cache.fetch('/v2/library/app/manifests/1');
      assert.equal(manifest.status, 200, await manifest.clone().text());
      const { config, layers } = (await manifest.json()) as { config: { digest: string }; layers: { digest: string }[] };
      for (const { digest } of [config, ...layers]) {
        const blob = await cache.fetch(`/v2/library/app/blobs/${digest}`);
        assert.equal(blob.status, 200);
        assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), digest);
      }
      return manifest.headers.get('docker-content-digest');
    };
    assert.equal(await pull(), first.manifest.digest);
    // The copy is the cache's own.
    rmSync(above.blobPath(first.layers[0]!.digest), { force: true });
    assert.equal(await pull(), first.manifest.digest);
    const second = await storeImage(`${above.host}/library/app:1`, { family: 'oci', layers: [[{ name: 'a', body: 'new' }]] });
    assert.equal(await pull(), second.manifest.digest);
    assert.deepEqual(await (await cache.fetch('/v2/library/app/tags/list')).json(), { name: 'library/app', tags: ['1'] });
    const missing = await cache.fetch('/v2/library/app/manifests/2');
    assert.deepEqual([missing.status, await codeOf(missing)], [404, 'MANIFEST_UNKNOWN']);
    const absent = await cache.fetch(`/v2/library/app/blobs/${digestOf('absent')}`);
    assert.deepEqual([absent.status, await codeOf(absent)], [404, 'BLOB_UNKNOWN']);
    assert.equal((await cache.fetch('/v2/library/app/blobs/uploads/', { method: 'POST' })).status, 405);

    await above[Symbol.asyncDispose]();
    assert.equal(await pull(), second.manifest.digest);
    assert.deepEqual(await (await cache.fetch('/v2/library/app/tags/list')).json(), { name: 'library/app', tags: ['1'] });
    const unknown = await cache.fetch('/v2/library/other/manifests/1');
    assert.deepEqual([unknown.status, await codeOf(unknown)], [502, 'UNAVAILABLE']);
  } finally {
    await above[Symbol.asyncDispose]();
  }
});

test('the cache logs in above', async () => {
  const htpasswd = 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
  await using above = await startRegistry({ htpasswd });
  const flags = (password: string) => (directory: string) => {
    writeFileSync(join(directory, 'password'), `${password}\n`);
    return ['--proxy', `http://${above.host}`, '--proxy-username', 'alice', '--proxy-password-file', join(directory, 'password')];
  };
  await using right = await BerthRegistry.start({ flags: flags('secret') });
  assert.equal((await right.fetch('/v2/a/manifests/1')).status, 404);
  await using wrong = await BerthRegistry.start({ flags: flags('wrong') });
  const refused = await wrong.fetch('/v2/a/manifests/1');
  assert.deepEqual([refused.status, await codeOf(refused)], [403, 'DENIED']);
});

test('a signature above is found through the cache', async () => {
  await using above = await BerthRegistry.start();
  await using cache = await BerthRegistry.start(before(above.host));
  const app = await above.putImage('signed/app', '1', randomBytes(100));
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: app.digest, size: 1 };
  const signature = await above.putImage('signed/app', 's', randomBytes(100), { subject, artifactType: 'application/sig' });
  const list = async () => {
    const answer = await cache.fetch(`/v2/signed/app/referrers/${app.digest}?artifactType=application/sig`);
    return ((await answer.json()) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
  };
  assert.deepEqual(await list(), [signature.digest]);
  assert.equal((await cache.fetch(`/v2/signed/app/manifests/${signature.digest}`)).status, 200);
  await above.stop();
  assert.deepEqual(await list(), [signature.digest]);
});

/** A registry of one blob, sent slowly; counts how often. */
async function slowRegistry(bytes: Buffer, sent: Buffer): Promise<{ host: string; counts: { get: number } } & AsyncDisposable> {
  const counts = { get: 0 };
  const server: Server = createServer(async (request, response) => {
    if (!request.url?.endsWith(digestOf(bytes))) return response.writeHead(404).end();
    response.writeHead(200, { 'content-length': bytes.length });
    if (request.method === 'HEAD') return response.end();
    counts.get++;
    for (let at = 0; at < sent.length; at += 100_000) {
      response.write(sent.subarray(at, at + 100_000));
      await sleep(20);
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, counts, [Symbol.asyncDispose]: close };
}

test('those who ask for one blob at once share one download, and are served while it runs', async () => {
  const bytes = randomBytes(1_500_000);
  await using above = await slowRegistry(bytes, bytes);
  await using cache = await BerthRegistry.start(before(above.host));
  const path = `/v2/app/blobs/${digestOf(bytes)}`;
  const [leaver, ...answers] = await Promise.all(Array.from({ length: 6 }, () => cache.fetch(path)));
  await leaver!.body!.cancel();
  const part = await cache.fetch(path, { headers: { range: 'bytes=1000000-1000009' } });
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1_000_000, 1_000_010)));
  for (const answer of answers) assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
  assert.equal(above.counts.get, 1);
  assert.ok(Buffer.from(await (await cache.fetch(path)).arrayBuffer()).equals(bytes));
  assert.equal(above.counts.get, 1);
});

test('a damaged blob is never passed on whole, nor kept', async () => {
  const bytes = randomBytes(300_000);
  const damaged = Buffer.from(bytes);
  damaged[7]! ^= 1;
  await using above = await slowRegistry(bytes, damaged);
  await using cache = await BerthRegistry.start(before(above.host));
  const path = `/v2/app/blobs/${digestOf(bytes)}`;
  for (let attempt = 1; attempt <= 2; attempt++) {
    await assert.rejects(async () => {
      const answer = await cache.fetch(path);
      assert.equal((await answer.arrayBuffer()).byteLength, -1, 'the blob came whole');
    }, /terminated|fetch failed/);
    assert.equal(above.counts.get, attempt);
  }
});
