// Uploads that break off, and clients that mean no good: what has arrived is kept, what is wrong is refused, and nobody holds the server.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '@berth/oci/digest';
import { BerthRegistry, codeOf } from './berth-registry.ts';

async function startUpload(registry: BerthRegistry, name: string): Promise<string> {
  const answer = await registry.fetch(`/v2/${name}/blobs/uploads/`, { method: 'POST' });
  return answer.headers.get('location')!;
}

function dial(registry: BerthRegistry): Socket {
  const [host, port] = registry.host.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  return socket;
}

/** Sends the head of a PATCH that promises `length` bytes, and `bytes` of them. */
function patchPartly(registry: BerthRegistry, location: string, length: number, bytes: Buffer): Socket {
  const socket = dial(registry);
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
  socket.write(bytes);
  return socket;
}

async function received(registry: BerthRegistry, location: string): Promise<number> {
  const range = (await registry.fetch(location)).headers.get('range') ?? '0-0';
  return range === '0-0' ? 0 : Number(range.split('-')[1]) + 1;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await condition()) return;
    await sleep(10);
  }
  assert.fail('did not happen within 5 s');
}

/** Nothing is on its way: no upload, no temporary file, nothing in the trash. */
function assertIdle(registry: BerthRegistry): void {
  for (const name of ['uploads', 'tmp']) assert.deepEqual(readdirSync(join(registry.root, name)), [], name);
}

test('an upload goes on after SIGKILL in its middle', async () => {
  await using registry = await BerthRegistry.start();
  const bytes = randomBytes(3_000_000);
  const location = await startUpload(registry, 'resume/app');
  const socket = patchPartly(registry, location, bytes.length, bytes.subarray(0, 1_234_567));
  await until(async () => (await received(registry, location)) === 1_234_567);
  await registry.kill();
  socket.destroy();
  await registry.launch();
  const at = await received(registry, location);
  assert.equal(at, 1_234_567);
  const rest = await registry.fetch(location, {
    method: 'PATCH',
    headers: { 'content-range': `${at}-${bytes.length - 1}` },
    body: new Uint8Array(bytes.subarray(at)),
  });
  assert.equal(rest.status, 202);
  const put = await registry.fetch(`${location}?digest=${digestOf(bytes)}`, { method: 'PUT' });
  assert.equal(put.status, 201);
  const blob = await registry.fetch(put.headers.get('location')!);
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(bytes));
  assertIdle(registry);
});

test('SIGKILL at any point of a push leaves a store that the same push completes', async () => {
  await using registry = await BerthRegistry.start();
  for (let round = 0; round < 8; round++) {
    const layer = randomBytes(400_000);
    const push = registry.putImage('killed/app', `v${round}`, layer).catch(() => undefined);
    await sleep(round * 8);
    await registry.kill();
    await push;
    await registry.launch();
    const tagged = await registry.fetch(`/v2/killed/app/manifests/v${round}`);
    if (tagged.status === 200) {
      // Visible means whole.
      const { layers } = (await tagged.json()) as { layers: { digest: string }[] };
      assert.equal((await registry.fetch(`/v2/killed/app/blobs/${layers[0]!.digest}`)).status, 200);
    } else assert.equal(tagged.status, 404);
    const { layer: digest } = await registry.putImage('killed/app', `v${round}`, layer);
    const blob = await registry.fetch(`/v2/killed/app/blobs/${digest}`);
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), digest);
  }
});

test('a client that comes back takes its upload over from a connection that hangs', async () => {
  await using registry = await BerthRegistry.start();
  const bytes = randomBytes(200_000);
  const location = await startUpload(registry, 'hang/app');
  const socket = patchPartly(registry, location, bytes.length, bytes.subarray(0, 50_000));
  await until(async () => (await received(registry, location)) === 50_000);
  const rest = await registry.fetch(location, {
    method: 'PATCH',
    headers: { 'content-range': '50000-199999' },
    body: new Uint8Array(bytes.subarray(50_000)),
  });
  assert.equal(rest.status, 202);
  assert.equal((await registry.fetch(`${location}?digest=${digestOf(bytes)}`, { method: 'PUT' })).status, 201);
  assert.equal(await text(socket), '');
});

test('a Content-Length that lies makes no blob', async () => {
  await using registry = await BerthRegistry.start();
  const bytes = randomBytes(10_000);
  const digest = digestOf(bytes);
  const socket = dial(registry);
  socket.write(`POST /v2/lie/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n`);
  socket.end(bytes);
  await text(socket);
  const short = dial(registry);
  short.write(`POST /v2/lie/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`);
  short.end(bytes);
  // What follows the promised bytes is read as a request, and is none.
  assert.match(await text(short), /^HTTP\/1\.1 400 /);
  await until(async () => readdirSync(join(registry.root, 'uploads')).length === 0);
  assert.equal((await registry.fetch(`/v2/lie/app/blobs/${digest}`)).status, 404);
  assertIdle(registry);
});

test('names that climb out of the store are refused', async () => {
  await using registry = await BerthRegistry.start();
  const answer = async (line: string) => {
    const socket = dial(registry);
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    return text(socket);
  };
  const paths = [
    '/v2/../../../etc/passwd/manifests/latest',
    '/v2/%2e%2e/%2e%2e/etc/manifests/latest',
    '/v2/a/_blobs/manifests/latest',
    '/v2/a//b/manifests/latest',
    '/v2/A/manifests/latest',
    '/v2/a%00b/manifests/latest',
    `/v2/${'a'.repeat(256)}/manifests/latest`,
    '/v2/a/manifests/..',
    '/v2/a/manifests/%2e%2e%2fx',
    '/v2/a/blobs/sha256:../../../../etc/passwd',
    '/v2/a/%zz/manifests/latest',
  ];
  for (const path of paths) {
    const said = await answer(`GET ${path}`);
    assert.match(said, /^HTTP\/1\.1 (400|404) /, path);
    assert.match(said, /(NAME|TAG|DIGEST)_INVALID|UNSUPPORTED/, path);
  }
  for (const id of ['..', '%2e%2e%2f%2e%2e', '00000000-0000-0000-0000-000000000000'])
    assert.match(await answer(`PATCH /v2/a/blobs/uploads/${id}`), /^HTTP\/1\.1 404 /, id);
  assert.ok(!existsSync(join(registry.root, '..', 'manifests')));
});

test('memory does not depend on how much is pushed and pulled', async () => {
  await using registry = await BerthRegistry.start();
  const before = registry.peakMemory;
  const piece = Buffer.alloc(1 << 20);
  const pieces = 64;
  const whole = createHash('sha256');
  for (let index = 0; index < pieces; index++) whole.update(piece);
  const digest = `sha256:${whole.digest('hex')}`;
  const push = async (index: number) => {
    const body = ReadableStream.from(Array.from({ length: pieces }, () => new Uint8Array(piece)));
    const location = await startUpload(registry, `many/r${index}`);
    const answer = await registry.fetch(`${location}?digest=${digest}`, { method: 'PUT', body, duplex: 'half' });
    assert.equal(answer.status, 201);
    const blob = await registry.fetch(`/v2/many/r${index}/blobs/${digest}`);
    let size = 0;
    for await (const chunk of blob.body!) size += chunk.length;
    assert.equal(size, pieces << 20);
  };
  await Promise.all([push(0), push(1), push(2)]);
  assert.ok(registry.peakMemory - before < 96 << 20, `${registry.peakMemory} bytes at most, ${before} before`);
  assert.equal(statSync(join(registry.root, 'blobs/sha256', digest.slice(7, 9), digest.slice(7))).size, pieces << 20);
  assertIdle(registry);
});

test('a full disk is said, and serves what fits', async () => {
  const mount = 'mkdir -p "$STORE"; mount -t tmpfs -o size=4m tmpfs "$STORE"';
  await using registry = await BerthRegistry.start({ mount });
  const location = await startUpload(registry, 'full/app');
  const large = await registry.fetch(location, { method: 'PATCH', body: new Uint8Array(6 << 20) });
  assert.deepEqual([large.status, await codeOf(large)], [507, 'UNAVAILABLE']);
  assert.equal((await registry.fetch(location, { method: 'DELETE' })).status, 204);
  const post = await registry.fetch(`/v2/full/app/blobs/uploads/?digest=${digestOf('x')}`, {
    method: 'POST',
    body: new Uint8Array(6 << 20),
  });
  assert.equal(post.status, 507);
  const { layer } = await registry.putImage('full/app', '1', randomBytes(1 << 20));
  const blob = await registry.fetch(`/v2/full/app/blobs/${layer}`);
  assert.equal((await blob.arrayBuffer()).byteLength, 1 << 20);
});

test('uploads that nobody goes on with are removed', async () => {
  await using registry = await BerthRegistry.start({ flags: () => ['--upload-life', '1h'] });
  const old = await startUpload(registry, 'old/app');
  const young = await startUpload(registry, 'old/app');
  const path = join(registry.root, 'uploads', old.split('/').at(-1)!, 'data');
  utimesSync(path, 1, 1);
  await registry.stop();
  await registry.launch();
  await until(async () => (await registry.fetch(old)).status === 404);
  assert.equal(await codeOf(await registry.fetch(old)), 'BLOB_UPLOAD_UNKNOWN');
  assert.equal((await registry.fetch(young)).status, 204);
});

test('a directory of something else is not taken for a store', async () => {
  await assert.rejects(BerthRegistry.start({ flags: (directory) => ['--root', directory] }), /is not empty and holds no registry of ours/);
  await assert.rejects(BerthRegistry.start({ flags: () => ['--tls-cert', 'x'] }), /--tls-cert and --tls-key go together/);
  await assert.rejects(BerthRegistry.start({ flags: () => ['--root'] }), /berth-registry --help/);
});
