// berth-registry against the distribution-spec, endpoint by endpoint (end-1 to end-13), over plain HTTP.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type Digest, digestOf } from '@berth/oci/digest';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { BerthRegistry, codeOf, manifestOf } from './berth-registry.ts';

let registry: BerthRegistry;
before(async () => {
  registry = await BerthRegistry.start();
});
after(() => registry[Symbol.asyncDispose]());

const EMPTY = digestOf('{}');

async function bytesOf(answer: Response): Promise<Buffer> {
  return Buffer.from(await answer.arrayBuffer());
}

async function json<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T;
}

async function startUpload(name: string): Promise<string> {
  const answer = await registry.fetch(`/v2/${name}/blobs/uploads/`, { method: 'POST' });
  assert.equal(answer.status, 202);
  return answer.headers.get('location')!;
}

test('the base tells which API this is', async () => {
  const answer = await registry.fetch('/v2/');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('docker-distribution-api-version'), 'registry/2.0');
  assert.equal((await registry.fetch('/v2/nothing/here')).status, 404);
  const wrong = await registry.fetch('/v2/', { method: 'POST' });
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD');
});

test('a blob goes in by POST and PUT, and comes out whole and in ranges', async () => {
  const bytes = randomBytes(700_000);
  const digest = digestOf(bytes);
  const location = await startUpload('push/monolithic');
  const put = await registry.fetch(`${location}?digest=${digest}`, { method: 'PUT', body: new Uint8Array(bytes) });
  assert.equal(put.status, 201);
  assert.equal(put.headers.get('docker-content-digest'), digest);
  const path = put.headers.get('location')!;
  assert.equal(path, `/v2/push/monolithic/blobs/${digest}`);

  const head = await registry.fetch(path, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '700000']);
  assert.ok((await bytesOf(await registry.fetch(path))).equals(bytes));

  const ranges: [string, number, number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=300000-', 300_000, 700_000],
    ['bytes=-5', 699_995, 700_000],
    ['bytes=10-9999999', 10, 700_000],
  ];
  for (const [range, start, end] of ranges) {
    const part = await registry.fetch(path, { headers: { range } });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get('content-range'), `bytes ${start}-${end - 1}/700000`);
    assert.ok((await bytesOf(part)).equals(bytes.subarray(start, end)));
  }
  const outside = await registry.fetch(path, { headers: { range: 'bytes=700000-' } });
  assert.deepEqual([outside.status, outside.headers.get('content-range')], [416, 'bytes */700000']);
  assert.equal((await registry.fetch(path, { headers: { range: 'bytes=1-2', 'if-range': '"other"' } })).status, 200);
  assert.equal((await registry.fetch(path, { headers: { 'if-none-match': `"${digest}"` } })).status, 304);
  const missing = await registry.fetch(`/v2/push/other/blobs/${digest}`);
  assert.deepEqual([missing.status, await codeOf(missing)], [404, 'BLOB_UNKNOWN']);
});

test('a blob goes in by chunks that are in order', async () => {
  const bytes = randomBytes(250_000);
  const location = await startUpload('push/chunks');
  const patch = (start: number, end: number) =>
    registry.fetch(location, {
      method: 'PATCH',
      headers: { 'content-range': `${start}-${end - 1}`, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(bytes.subarray(start, end)),
    });
  assert.equal((await registry.fetch(location)).headers.get('range'), '0-0');
  const first = await patch(0, 100_000);
  assert.deepEqual([first.status, first.headers.get('range')], [202, '0-99999']);
  const gap = await patch(150_000, 250_000);
  assert.deepEqual([gap.status, gap.headers.get('range'), gap.headers.get('location')], [416, '0-99999', location]);
  const again = await patch(0, 100_000);
  assert.equal(again.status, 416);
  assert.equal((await patch(100_000, 200_000)).status, 202);
  const status = await registry.fetch(location);
  assert.deepEqual([status.status, status.headers.get('range')], [204, '0-199999']);
  const last = await registry.fetch(`${location}?digest=${digestOf(bytes)}`, {
    method: 'PUT',
    headers: { 'content-range': '200000-249999' },
    body: new Uint8Array(bytes.subarray(200_000)),
  });
  assert.equal(last.status, 201);
  assert.ok((await bytesOf(await registry.fetch(last.headers.get('location')!))).equals(bytes));
  assert.equal((await registry.fetch(location)).status, 404);
});

test('wrong uploads are refused', async () => {
  const bytes = randomBytes(1000);
  const lying = await startUpload('push/wrong');
  const mismatch = await registry.fetch(`${lying}?digest=${digestOf('other')}`, { method: 'PUT', body: new Uint8Array(bytes) });
  assert.deepEqual([mismatch.status, await codeOf(mismatch)], [400, 'DIGEST_INVALID']);
  const location = await startUpload('push/wrong');
  const nameless = await registry.fetch(location, { method: 'PUT' });
  assert.deepEqual([nameless.status, await codeOf(nameless)], [400, 'DIGEST_INVALID']);
  const elsewhere = await registry.fetch(location.replace('push/wrong', 'push/stolen'));
  assert.deepEqual([elsewhere.status, await codeOf(elsewhere)], [404, 'BLOB_UPLOAD_UNKNOWN']);
  const range = await registry.fetch(location, {
    method: 'PATCH',
    headers: { 'content-range': '0-5' },
    body: new Uint8Array(bytes),
  });
  assert.deepEqual([range.status, await codeOf(range)], [400, 'SIZE_INVALID']);
  assert.equal((await registry.fetch(location, { method: 'DELETE' })).status, 204);
  assert.equal((await registry.fetch(location)).status, 404);
});

test('sha512 names a blob and a manifest as well', async () => {
  const bytes = randomBytes(1000);
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
  const post = await registry.fetch(`/v2/push/long/blobs/uploads/?digest=${digest}`, { method: 'POST', body: new Uint8Array(bytes) });
  assert.equal(post.status, 201);
  assert.ok((await bytesOf(await registry.fetch(`/v2/push/long/blobs/${digest}`))).equals(bytes));
  const manifest = Buffer.from(JSON.stringify(manifestOf(digest as Digest, 1000, digest as Digest, 1000)));
  const name = `sha512:${createHash('sha512').update(manifest).digest('hex')}`;
  assert.equal((await registry.putManifest('push/long', name, manifest)).status, 201);
  assert.equal((await registry.fetch(`/v2/push/long/manifests/${name}`)).status, 200);
});

test('a blob is mounted from another repository, or from wherever it is', async () => {
  const digest = await registry.putBlob('mount/from', randomBytes(100));
  const mount = (query: string) => registry.fetch(`/v2/mount/to/blobs/uploads/?${query}`, { method: 'POST' });
  const known = await mount(`mount=${digest}&from=mount/from`);
  assert.deepEqual([known.status, known.headers.get('location')], [201, `/v2/mount/to/blobs/${digest}`]);
  assert.equal((await registry.fetch(`/v2/mount/to/blobs/${digest}`, { method: 'HEAD' })).status, 200);
  assert.equal((await mount(`mount=${await registry.putBlob('mount/from', randomBytes(100))}`)).status, 201);
  assert.equal((await mount(`mount=${digestOf('nowhere')}&from=mount/from`)).status, 202);
  assert.equal((await mount(`mount=${digest}&from=../from`)).status, 202);
});

test('a manifest comes out as it went in, by tag and by digest', async () => {
  const { digest } = await registry.putImage('images/app', 'v1', randomBytes(100));
  for (const reference of ['v1', digest]) {
    const answer = await registry.fetch(`/v2/images/app/manifests/${reference}`, { headers: { accept: MEDIA_TYPE.ociManifest } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), MEDIA_TYPE.ociManifest);
    assert.equal(answer.headers.get('docker-content-digest'), digest);
    assert.equal(digestOf(await bytesOf(answer)), digest);
    const head = await registry.fetch(`/v2/images/app/manifests/${reference}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('docker-content-digest')], [200, digest]);
    assert.ok(Number(head.headers.get('content-length')) > 100);
  }
  const unknown = await registry.fetch('/v2/images/app/manifests/v2');
  assert.deepEqual([unknown.status, await codeOf(unknown)], [404, 'MANIFEST_UNKNOWN']);
});

test('a manifest is taken only whole', async () => {
  const layer = randomBytes(64);
  const digest = await registry.putBlob('images/checked', layer);
  const config = await registry.putBlob('images/checked', Buffer.from('{}'));
  const refused: [string, number, string, object | Buffer, string?][] = [
    ['MANIFEST_BLOB_UNKNOWN', 400, 'a', manifestOf(config, 2, digestOf('absent'), 64)],
    ['MANIFEST_INVALID', 400, 'a', manifestOf(config, 2, digest, 65)],
    ['MANIFEST_INVALID', 400, 'a', Buffer.from('{"schemaVersion":2')],
    ['MANIFEST_INVALID', 400, 'a', { schemaVersion: 1, name: 'x' }],
    ['MANIFEST_INVALID', 400, 'a', { ...manifestOf(config, 2, digest, 64), manifests: [] }],
    ['MANIFEST_INVALID', 400, 'a', manifestOf(config, 2, digest, 64), MEDIA_TYPE.ociIndex],
    ['MANIFEST_INVALID', 400, 'a', manifestOf(config, 2, digest, 64), 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    ['MANIFEST_INVALID', 400, 'a', manifestOf(config, 2, '../../etc/passwd' as Digest, 64)],
    ['DIGEST_INVALID', 400, digestOf('other'), manifestOf(config, 2, digest, 64)],
    ['TAG_INVALID', 400, '.hidden', manifestOf(config, 2, digest, 64)],
    ['SIZE_INVALID', 413, 'a', Buffer.alloc(4 * 1024 * 1024 + 1, ' ')],
  ];
  for (const [code, status, reference, document, type] of refused) {
    const answer = await registry.putManifest('images/checked', reference, document, type);
    assert.deepEqual([answer.status, await codeOf(answer)], [status, code], JSON.stringify(document).slice(0, 200));
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest, size: 64 }] };
  assert.equal(await codeOf(await registry.putManifest('images/checked', 'a', index, MEDIA_TYPE.ociIndex)), 'MANIFEST_BLOB_UNKNOWN');
  assert.equal((await registry.fetch('/v2/images/checked/manifests/a')).status, 404);
  const foreign = { mediaType: MEDIA_TYPE.dockerForeignLayer, digest: digestOf('far away'), size: 5, urls: ['https://x.example'] };
  const windows = { ...manifestOf(config, 2, digest, 64), mediaType: MEDIA_TYPE.dockerManifest, layers: [foreign] };
  assert.equal((await registry.putManifest('images/checked', 'w', windows, MEDIA_TYPE.dockerManifest)).status, 201);
});

test('a client that knows no index gets the image for linux/amd64', async () => {
  const { digest } = await registry.putImage('images/multi', 'single', randomBytes(50));
  const platform = { os: 'linux', architecture: 'amd64' };
  const size = (await bytesOf(await registry.fetch('/v2/images/multi/manifests/single'))).length;
  const manifests = [{ mediaType: MEDIA_TYPE.ociManifest, digest, size, platform }];
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
  assert.equal((await registry.putManifest('images/multi', 'multi', index, MEDIA_TYPE.ociIndex)).status, 201);
  const get = (accept: string) => registry.fetch('/v2/images/multi/manifests/multi', { headers: { accept } });
  assert.equal((await get('*/*')).headers.get('content-type'), MEDIA_TYPE.ociIndex);
  assert.equal((await get(`${MEDIA_TYPE.ociManifest}, ${MEDIA_TYPE.ociIndex};q=0`)).headers.get('docker-content-digest'), digest);
  const neither = await get('text/html');
  assert.deepEqual([neither.status, await codeOf(neither)], [404, 'MANIFEST_UNKNOWN']);
});

test('tags and repositories are listed in pages', async () => {
  const config = await registry.putBlob('lists/tags', Buffer.from('{}'));
  const document = manifestOf(config, 2, config, 2);
  for (const tag of ['b', 'C', 'a', 'B2', '_x']) await registry.putManifest('lists/tags', tag, document);
  const tags = async (query: string) => {
    const answer = await registry.fetch(`/v2/lists/tags/tags/list${query}`);
    return [(await json<{ tags: string[] }>(answer)).tags.join(' '), answer.headers.get('link')];
  };
  assert.deepEqual(await tags(''), ['_x a b B2 C', null]);
  assert.deepEqual(await tags('?n=2'), ['_x a', '</v2/lists/tags/tags/list?n=2&last=a>; rel="next"']);
  assert.deepEqual(await tags('?n=2&last=a'), ['b B2', '</v2/lists/tags/tags/list?n=2&last=B2>; rel="next"']);
  assert.deepEqual(await tags('?n=2&last=B2'), ['C', null]);
  assert.deepEqual(await tags('?n=0'), ['', null]);
  assert.equal(await codeOf(await registry.fetch('/v2/lists/tags/tags/list?n=-1')), 'PAGINATION_NUMBER_INVALID');
  assert.equal(await codeOf(await registry.fetch('/v2/lists/none/tags/list')), 'NAME_UNKNOWN');

  for (const name of ['zoo/a', 'zoo', 'zoo-b']) {
    await registry.putBlob(name, Buffer.from('{}'));
    await registry.putManifest(name, 'x', document);
  }
  const page = await registry.fetch('/v2/_catalog?n=2&last=zo');
  assert.deepEqual(await json(page), { repositories: ['zoo', 'zoo-b'] });
  assert.equal(page.headers.get('link'), '</v2/_catalog?n=2&last=zoo-b>; rel="next"');
});

test('what refers to a manifest is listed, by type and in pages', async () => {
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('pushed later'), size: 12 };
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: EMPTY, size: 2 };
  await registry.putBlob('refer/app', Buffer.from('{}'));
  const artifact = (artifactType: string | undefined, note: string) => ({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    ...(artifactType === undefined ? {} : { artifactType }),
    config,
    layers: [config],
    subject,
    annotations: { note },
  });
  const put = await registry.putManifest('refer/app', 'sbom', artifact('application/sbom', 'one'));
  assert.deepEqual([put.status, put.headers.get('oci-subject')], [201, subject.digest]);
  await registry.putManifest('refer/app', 'sig', artifact('application/signature', 'two'));
  await registry.putManifest('refer/app', 'plain', artifact(undefined, 'three'));

  type Index = { manifests: { artifactType: string; digest: string; annotations: { note: string } }[]; mediaType: string };
  const path = `/v2/refer/app/referrers/${subject.digest}`;
  const all = await registry.fetch(path);
  assert.equal(all.headers.get('content-type'), MEDIA_TYPE.ociIndex);
  const index = await json<Index>(all);
  assert.equal(index.mediaType, MEDIA_TYPE.ociIndex);
  assert.deepEqual(index.manifests.map((one) => one.artifactType).sort(), [
    'application/sbom',
    'application/signature',
    'application/vnd.oci.empty.v1+json',
  ]);
  const filtered = await registry.fetch(`${path}?artifactType=application/sbom`);
  assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType');
  assert.deepEqual(
    (await json<Index>(filtered)).manifests.map((one) => one.annotations.note),
    ['one'],
  );
  const seen: string[] = [];
  for (let next: string | undefined = `${path}?n=2`; next !== undefined; ) {
    const page: Response = await registry.fetch(next);
    seen.push(...(await json<Index>(page)).manifests.map((one) => one.digest));
    next = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1];
  }
  assert.deepEqual(
    seen,
    index.manifests.map((one) => one.digest),
  );
  const { digest } = index.manifests[0]!;
  assert.equal((await registry.fetch(`/v2/refer/app/manifests/${digest}`, { method: 'DELETE' })).status, 202);
  assert.equal((await json<Index>(await registry.fetch(path))).manifests.length, 2);
  assert.deepEqual((await json<Index>(await registry.fetch(`/v2/refer/app/referrers/${digestOf('none')}`))).manifests, []);
  assert.equal(await codeOf(await registry.fetch('/v2/refer/app/referrers/sha256:xyz')), 'DIGEST_INVALID');
});

test('tags, manifests and blobs are deleted', async () => {
  const { digest, layer } = await registry.putImage('gone/app', 'a', randomBytes(40));
  await registry.putManifest('gone/app', 'b', await bytesOf(await registry.fetch('/v2/gone/app/manifests/a')));
  const remove = (path: string) => registry.fetch(`/v2/gone/app/${path}`, { method: 'DELETE' });
  assert.equal((await remove('manifests/a')).status, 202);
  assert.equal((await registry.fetch('/v2/gone/app/manifests/a')).status, 404);
  assert.equal((await registry.fetch('/v2/gone/app/manifests/b')).status, 200);
  assert.equal((await remove(`manifests/${digest}`)).status, 202);
  assert.equal((await registry.fetch('/v2/gone/app/manifests/b')).status, 404);
  assert.deepEqual(await json(await registry.fetch('/v2/gone/app/tags/list')), { name: 'gone/app', tags: [] });
  assert.equal((await remove(`blobs/${layer}`)).status, 202);
  assert.equal((await registry.fetch(`/v2/gone/app/blobs/${layer}`)).status, 404);
  for (const path of ['manifests/a', `manifests/${digest}`, `blobs/${layer}`]) assert.equal((await remove(path)).status, 404);
});
