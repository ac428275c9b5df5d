// The registry client against Debian's docker-registry: what is pushed comes back, errors have Docker's words, damage is noticed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { EngineError } from '@berth/errdefs/engine-error';
import { digestOf } from '@berth/oci/digest';
import { parseManifestDocument } from '@berth/oci/image-spec';
import { parseReference } from '@berth/oci/reference';
import { anonymous, type CredentialSource } from '@berth/oci/registry/credentials';
import { ConfiguredHosts } from '@berth/oci/registry/host';
import { problemOf } from '@berth/oci/registry/registry-error';
import { Repository, verified } from '@berth/oci/registry/repository';
import { uploadBlob } from '@berth/oci/registry/upload';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository, storeImage, storeIndex } from './test-image.ts';

let registry: RegistryProcess;
before(async () => {
  registry = await startRegistry();
});
after(() => registry[Symbol.asyncDispose]());

const LAYERS = [[{ name: 'etc/' }, { name: 'etc/hello', body: 'hello' }], [{ name: 'bye', body: 'bye' }]];

for (const family of ['docker', 'oci'] as const) {
  test(`${family} manifest and index come back as they were put`, async () => {
    const name = `${registry.host}/team/${family}`;
    const stored = await storeImage(name, { family, layers: LAYERS });
    const index = await storeIndex(`${name}:multi`, family, [{ ...stored.manifest, platform: { os: 'linux', architecture: 'amd64' } }]);
    using repository = await openRepository(name);
    const content = await repository.manifest('multi');
    assert.deepEqual(content.descriptor, index);
    const document = parseManifestDocument(content.bytes, content.descriptor.mediaType);
    assert.equal(document.kind, 'index');
    assert.deepEqual(await repository.head(stored.manifest.digest), stored.manifest);
    const layer = stored.layers[0]!;
    assert.equal(digestOf(await buffer(verified(layer, repository.blob(layer)))), layer.digest);
  });
}

test('a blob is read from an offset, and sent in chunks', async () => {
  using repository = await openRepository(`${registry.host}/chunks`);
  const bytes = randomBytes(300_000);
  const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
  const sent: number[] = [];
  const source = async function* (offset: number) {
    for (let at = offset; at < bytes.length; at += 7000) yield bytes.subarray(at, at + 7000);
  };
  await uploadBlob(repository.upstream, descriptor, source, { chunkedFrom: 1, chunkSize: 65_536, onProgress: (total) => sent.push(total) });
  assert.equal(sent.at(-1), bytes.length);
  assert.ok(await repository.hasBlob(descriptor.digest));
  const tail = await buffer(repository.blob(descriptor, { offset: 123_456 }));
  assert.ok(tail.equals(bytes.subarray(123_456)));
});

test('a blob of one repository is mounted in another', async () => {
  const { layers } = await storeImage(`${registry.host}/mount/from:1`, { family: 'oci', layers: LAYERS });
  using repository = await openRepository(`${registry.host}/mount/to`);
  const never = (): AsyncIterable<Uint8Array> => assert.fail('bytes travelled');
  assert.equal(await uploadBlob(repository.upstream, layers[0]!, never, { mountFrom: ['mount/from'] }), 'mount/from');
});

test('errors carry the registry’s code and Docker’s words', async () => {
  await storeImage(`${registry.host}/known:1`, { family: 'oci', layers: LAYERS });
  using repository = await openRepository(`${registry.host}/known`);
  await assert.rejects(repository.manifest('nope'), (error: EngineError) => {
    assert.equal(error.message, 'manifest unknown: manifest unknown');
    assert.equal(error.kind, 'NotFound');
    assert.equal(problemOf(error)?.code, 'MANIFEST_UNKNOWN');
    return true;
  });
  using nobody = await openRepository('127.0.0.1:1/x');
  await assert.rejects(
    nobody.manifest('latest'),
    /^EngineError: Get "http:\/\/127\.0\.0\.1:1\/v2\/x\/manifests\/latest": dial tcp 127\.0\.0\.1:1: connect: connection refused$/,
  );
});

test('a damaged blob is refused', async () => {
  const { layers } = await storeImage(`${registry.host}/damaged:1`, { family: 'oci', layers: [[{ name: 'x', body: randomBytes(5000) }]] });
  const layer = layers[0]!;
  writeFileSync(registry.blobPath(layer.digest), randomBytes(layer.size));
  using repository = await openRepository(`${registry.host}/damaged`);
  await assert.rejects(buffer(verified(layer, repository.blob(layer))), /filesystem layer verification failed for digest sha256:/);
});

test('basic authentication: asked once, refused without', async () => {
  const htpasswd = 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
  await using locked = await startRegistry({ htpasswd });
  const reference = parseReference(`${locked.host}/private:1`);
  let asked = 0;
  const login = (password: string) => async () => {
    asked++;
    return { kind: 'password', username: 'alice', password } as const;
  };
  const open = (credentials: CredentialSource) => Repository.open({ reference, hosts: new ConfiguredHosts(), credentials });
  using wrong = await open(login('wrong'));
  await assert.rejects(wrong.manifest('1'), (error: EngineError) => error.kind === 'Unauthenticated');
  assert.equal(asked, 1);
  using stranger = await open(anonymous);
  await assert.rejects(stranger.manifest('1'), /no basic auth credentials/);
  using right = await open(login('secret'));
  await assert.rejects(right.manifest('1'), /manifest unknown/);
});
