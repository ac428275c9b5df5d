// Clients that send a byte now and then, or read none: the server ends their connections, with limits made short for the test.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { digestOf } from '@berth/oci/digest';
import { OpenGate } from '@berth/registry/access/gate';
import { RegistryHandler } from '@berth/registry/http/handler';
import { createRegistryServer, listen, type RegistryServer } from '@berth/registry/http/server';
import { StoreSource } from '@berth/registry/source';
import { Store } from '@berth/registry/store/store';
import { discard, Tracer } from '@berth/trace/tracer';

let directory: string;
let store: Store;
let server: RegistryServer;
let port: number;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'berth-slow-'));
  store = await Store.open(join(directory, 'store'), { create: true });
  const handler = new RegistryHandler({
    store,
    source: new StoreSource(store),
    gate: new OpenGate(),
    issuer: undefined,
    readOnly: false,
    publicUrl: undefined,
    tracer: new Tracer('registry', discard),
    limits: { slowest: { bytes: 1000, milliseconds: 300 } },
    onAnswer: () => undefined,
  });
  server = createRegistryServer(handler, undefined, { head: 400, idle: 500 });
  await listen(server, { host: '127.0.0.1', port: 0 });
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

function dial(): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  return socket;
}

/** What the server says until it ends the connection, while `bytes` go out every 50 ms. */
async function dripping(socket: Socket, bytes: string): Promise<string> {
  const drip = setInterval(() => socket.writable && socket.write(bytes), 50);
  try {
    return await text(socket).catch(() => '');
  } finally {
    clearInterval(drip);
  }
}

test('a head that never ends', { timeout: 5000 }, async () => {
  const socket = dial();
  socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n');
  assert.match(await dripping(socket, 'X-A: b\r\n'), /^HTTP\/1\.1 408 |^$/);
});

test('a body that drips: what came is kept', { timeout: 5000 }, async () => {
  const id = await store.uploads.start('slow/app');
  const socket = dial();
  socket.write(`PATCH /v2/slow/app/blobs/uploads/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(5000)}`);
  assert.equal(await dripping(socket, 'x'), '');
  assert.ok((await store.uploads.sizeOf('slow/app', id)) >= 5000);
});

test('a reader that does not read', { timeout: 5000 }, async () => {
  const bytes = randomBytes(32 * 1024 * 1024);
  const digest = digestOf(bytes);
  const id = await store.uploads.start('slow/app');
  await store.uploads.append(
    'slow/app',
    id,
    (async function* () {
      yield bytes;
    })(),
  );
  await store.uploads.finish('slow/app', id, digest);
  await store.repositories.linkBlob('slow/app', digest);
  const socket = dial();
  socket.pause();
  socket.write(`GET /v2/slow/app/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  while ((await connections()) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  while ((await connections()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
});
