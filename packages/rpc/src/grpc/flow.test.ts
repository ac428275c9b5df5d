// The server against clients of grpc-js and of node:http2: flow control, sizes, deadlines, cancelled calls, refusals.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { EngineError } from '@berth/errdefs/engine-error';
import { Any } from '../../gen/google/protobuf/any.ts';
import type { Call } from '../ttrpc/server.ts';
import { GrpcConnection } from './client.ts';
import { any, Echo, number, serve, text } from './echo-fixture.ts';

const LIMIT = { timeout: 60_000 };
const MEBIBYTE = 1 << 20;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function client(t: TestContext, path: string) {
  const connection = new GrpcConnection(path);
  t.after(() => connection.close());
  return connection.client(Echo);
}

async function session(t: TestContext, path: string, settings = {}): Promise<ClientHttp2Session> {
  const session = connect('http://localhost', { createConnection: () => connectTo(path), settings });
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

const framed = (message: Uint8Array, flag = 0) => Buffer.concat([Buffer.of(flag), number(message.length), message]);

/** A unary call by node:http2's client: headers, data and trailers of the answer. */
async function ask(session: ClientHttp2Session, others: Record<string, string> = {}, body: Uint8Array = framed(Any.encode(any('x')))) {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Echo/One',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...others,
  });
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.end(body);
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { headers, trailers, body: Buffer.concat(chunks) };
}

test('64 MiB up and down, in messages of all sizes, arrive as they were', LIMIT, async (t) => {
  const sizes = [0, 1, 16_379, 16_380, 65_536, MEBIBYTE, 5 * MEBIBYTE, 15 * MEBIBYTE];
  const blocks = [...sizes, ...sizes, ...sizes].map((size, i) => Buffer.alloc(size, i + 1));
  const { path } = await serve(t, {
    up: async (requests) => {
      const hash = createHash('sha256');
      for await (const { value } of requests) hash.update(value);
      return any(hash.digest('hex'));
    },
    async *down() {
      for (const block of blocks) yield any(block);
    },
    async *both(requests) {
      for await (const request of requests) yield request;
    },
  });
  const echo = client(t, path);
  const wanted = createHash('sha256');
  for (const block of blocks) wanted.update(block);
  const expected = wanted.digest('hex');

  const up = echo.up();
  for (const block of blocks) await up.send(any(block));
  up.end();
  for await (const answer of up) assert.equal(text(answer), expected);

  const down = createHash('sha256');
  for await (const { value } of echo.down({})) down.update(value);
  assert.equal(down.digest('hex'), expected);

  const both = echo.both();
  const sending = (async () => {
    for (const block of blocks) await both.send(any(block));
    both.end();
  })();
  const back = createHash('sha256');
  for await (const { value } of both) back.update(value);
  await sending;
  assert.equal(back.digest('hex'), expected);
});

test('a thousand calls at once are each answered with their own', LIMIT, async (t) => {
  const { path } = await serve(t, {
    one: async (request) => {
      await pause(Math.random() * 5);
      return request;
    },
  });
  const echo = client(t, path);
  const answers = await Promise.all(Array.from({ length: 1000 }, async (_, i) => text(await echo.one(any(`${i}`)))));
  assert.deepEqual(
    answers,
    Array.from({ length: 1000 }, (_, i) => `${i}`),
  );
});

test('a handler waits for a client that reads slowly, and others do not', LIMIT, async (t) => {
  let made = 0;
  const { path } = await serve(t, {
    async *down() {
      for (; made < 64; made++) yield any(Buffer.alloc(MEBIBYTE));
    },
    one: (request) => request,
  });
  const http2 = await session(t, path, { initialWindowSize: 1000 });
  const stream = http2.request({ ':method': 'POST', ':path': '/test.Echo/Down', 'content-type': 'application/grpc' });
  stream.end(framed(new Uint8Array(0)));
  stream.pause();
  await once(stream, 'response');
  await pause(200);
  assert.ok(made <= 2, `${made} messages were made for a reader of none`);
  assert.deepEqual((await ask(http2)).trailers['grpc-status'], '0');
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  assert.equal(length, 64 * (MEBIBYTE + 5 + Any.encode(any(Buffer.alloc(MEBIBYTE))).length - MEBIBYTE));
});

test('a client waits for a handler that reads slowly', LIMIT, async (t) => {
  let go = () => {};
  const { path } = await serve(t, {
    up: async (requests) => {
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      let length = 0;
      for await (const { value } of requests) length += value.length;
      return any(`${length}`);
    },
  });
  const up = client(t, path).up();
  let sent = 0;
  const sending = (async () => {
    for (; sent < 64; sent++) await up.send(any(Buffer.alloc(MEBIBYTE)));
    up.end();
  })();
  await pause(300);
  assert.ok(sent < 32, `${sent} MiB were taken for a handler that reads none`);
  go();
  for await (const answer of up) assert.equal(text(answer), `${64 * MEBIBYTE}`);
  await sending;
});

test('settings that change while a stream waits: its window goes below nothing, and up again', LIMIT, async (t) => {
  const { path } = await serve(t, { one: () => any(Buffer.alloc(200_000)) });
  const http2 = await session(t, path);
  const stream = http2.request({ ':method': 'POST', ':path': '/test.Echo/One', 'content-type': 'application/grpc' });
  stream.end(framed(new Uint8Array(0)));
  const chunks = stream.iterator();
  let length = (await chunks.next()).value.length;
  await pause(50);
  for (const initialWindowSize of [10, 300_000]) {
    http2.settings({ initialWindowSize });
    await once(http2, 'localSettings');
    await pause(20);
  }
  for await (const chunk of chunks) length += chunk.length;
  assert.equal(length, framed(Any.encode(any(Buffer.alloc(200_000)))).length);
});

test('a deadline ends the call for its client, and for its handler', LIMIT, async (t) => {
  let aborted: unknown;
  const { path } = await serve(t, {
    one: async (_request, { signal }) => {
      await once(signal, 'abort');
      aborted = signal.reason;
      throw aborted;
    },
  });
  const { headers } = await ask(await session(t, path), { 'grpc-timeout': '20m' });
  assert.deepEqual([headers['grpc-status'], headers['grpc-message']], ['4', 'Deadline exceeded']);
  assert.equal((aborted as EngineError).kind, 'DeadlineExceeded');
  await assert.rejects(client(t, path).one(any('x'), { timeout: 20 }), { kind: 'DeadlineExceeded' });
  const wrong = await ask(await session(t, path), { 'grpc-timeout': 'soon' });
  assert.equal(wrong.headers['grpc-status'], '13');
});

test('a call that its client gives up, or disconnects from, is aborted', LIMIT, async (t) => {
  let running = Promise.withResolvers<Call>();
  const { path } = await serve(t, {
    one: (_request, call) => {
      running.resolve(call);
      return new Promise(() => {});
    },
    up: async (requests, call) => {
      running.resolve(call);
      for await (const _ of requests);
      return any('');
    },
  });
  for (const end of ['stream', 'session'] as const) {
    for (const method of ['One', 'Up']) {
      const http2 = await session(t, path);
      running = Promise.withResolvers<Call>();
      const stream = http2.request({ ':method': 'POST', ':path': `/test.Echo/${method}`, 'content-type': 'application/grpc' });
      stream.on('error', () => {});
      if (method === 'One') stream.end(framed(new Uint8Array(0)));
      else stream.write(framed(new Uint8Array(0)));
      const { signal } = await running.promise;
      assert.equal(signal.aborted, false);
      if (end === 'stream') stream.close(8);
      else http2.destroy();
      if (!signal.aborted) await once(signal, 'abort');
      assert.match((signal.reason as EngineError).message, new RegExp(`the caller of ${method} is gone`));
    }
  }
});

test('messages beyond the limits are refused in both directions', LIMIT, async (t) => {
  const { path } = await serve(
    t,
    { one: ({ value }) => any(Buffer.alloc(value.length * 2)) },
    { largestReceived: 1000, largestSent: 1000 },
  );
  const { one } = client(t, path);
  assert.equal((await one(any(Buffer.alloc(400)))).value.length, 800);
  await assert.rejects(one(any(Buffer.alloc(600))), { kind: 'ResourceExhausted', message: 'Sent message larger than max (1203 vs. 1000)' });
  await assert.rejects(one(any(Buffer.alloc(1200))), {
    kind: 'ResourceExhausted',
    message: 'Received message larger than max (1203 vs 1000)',
  });
});

test('what is no call of gRPC is told so', LIMIT, async (t) => {
  const { path } = await serve(t, { one: (request) => request });
  const http2 = await session(t, path);
  const status = async (...call: Parameters<typeof ask> extends [unknown, ...infer Rest] ? Rest : never) => {
    const { headers, trailers } = await ask(http2, ...call);
    return [headers[':status'], headers['grpc-status'] ?? trailers['grpc-status'], headers['grpc-message']];
  };
  const body = Any.encode(any('x'));
  assert.deepEqual(await status(), [200, '0', undefined]);
  assert.deepEqual(await status({ 'content-type': 'application/grpc+proto' }), [200, '0', undefined]);
  assert.deepEqual(await status({ 'content-type': 'application/json' }), [415, undefined, undefined]);
  assert.deepEqual(await status({ ':method': 'PUT' }), [405, undefined, undefined]);
  assert.deepEqual(await status({ ':path': '/a.B/C' }), [200, '12', 'The server does not implement the method /a.B/C']);
  const { headers } = await ask(http2, { 'grpc-encoding': 'gzip' }, framed(body, 1));
  assert.deepEqual([headers['grpc-status'], headers['grpc-accept-encoding']], ['12', 'identity']);
  assert.deepEqual(await status({ 'grpc-encoding': 'gzip' }), [200, '0', undefined]);
  assert.deepEqual(await status({}, Buffer.concat([framed(body), framed(body)])), [
    200,
    '12',
    'Received a second request message for method /test.Echo/One',
  ]);
  assert.deepEqual(await status({}, new Uint8Array(0)), [200, '12', 'Received no request message for method /test.Echo/One']);
  assert.deepEqual(await status({}, framed(body).subarray(0, 7)), [200, '13', 'The request of /test.Echo/One ends inside a message']);
  assert.deepEqual(await status({}, framed(Buffer.of(0xff))), [200, '13', 'Error deserializing request']);
});

test('metadata, binary too, and a message of any characters', LIMIT, async (t) => {
  let metadata: ReadonlyMap<string, string> | undefined;
  const wording = `50% of "ä/日本" is\n missing ${'€'.repeat(4096)}`;
  const { path } = await serve(t, {
    one: (_request, call) => {
      metadata = call.metadata;
      throw new EngineError('NotFound', wording, { layer: 'lifecycle' });
    },
  });
  const http2 = await session(t, path);
  await ask(http2, {
    'user-agent': 'me',
    'some-bin': Buffer.from('bytes').toString('base64'),
    'grpc-timeout': '1H',
    'grpc-accept-encoding': 'gzip',
  });
  assert.deepEqual(Object.fromEntries(metadata ?? []), { 'user-agent': 'me', 'some-bin': 'bytes' });
  await assert.rejects(client(t, path).one({}), (error) => {
    assert.ok(error instanceof EngineError);
    assert.deepEqual([error.kind, error.message, error.layer], ['NotFound', wording.slice(0, 4096), 'lifecycle']);
    return true;
  });
});

test('a server that closes lets a call end, takes no other, and waits no longer than it was told', LIMIT, async (t) => {
  let go = () => {};
  const { server, path } = await serve(t, { one: (request) => new Promise((resolve) => (go = () => resolve(request))) });
  const http2 = await session(t, path);
  const last = ask(http2);
  await pause(50);
  const closing = server.close(5000);
  await once(http2, 'goaway');
  go();
  assert.equal((await last).trailers['grpc-status'], '0');
  await closing;
  await assert.rejects(once(connectTo(path), 'connect'));

  const other = await serve(t, { one: () => new Promise(() => {}) });
  const stuck = ask(await session(t, other.path));
  stuck.catch(() => {});
  await pause(50);
  const started = performance.now();
  await other.server.close(100);
  assert.ok(performance.now() - started < 1000);
});

test('an answer that ends before the request does arrives whole, or as the refusal that it is', LIMIT, async (t) => {
  const { path } = await serve(t, {
    async *both() {
      for (let i = 0; i < 8; i++) yield any(Buffer.alloc(MEBIBYTE));
    },
    up: () => {
      throw new EngineError('NotFound', 'nothing is taken here');
    },
  });
  const echo = client(t, path);
  const both = echo.both();
  await both.send(any('first'));
  await pause(100);
  let length = 0;
  for await (const { value } of both) {
    length += value.length;
    await pause(5);
  }
  assert.equal(length, 8 * MEBIBYTE);

  const up = echo.up();
  await assert.rejects(
    async () => {
      for (let i = 0; i < 100; i++) await up.send(any(Buffer.alloc(MEBIBYTE)));
    },
    { kind: 'NotFound', message: 'nothing is taken here' },
  );
});

test('a client without a header table, and one that changes its mind about it', LIMIT, async (t) => {
  const { path } = await serve(t, { one: (request) => request });
  const http2 = await session(t, path, { headerTableSize: 0 });
  assert.equal((await ask(http2)).trailers['grpc-status'], '0');
  for (const headerTableSize of [100, 0, 4096]) {
    http2.settings({ headerTableSize });
    await once(http2, 'localSettings');
    assert.equal((await ask(http2)).trailers['grpc-status'], '0');
  }
});
