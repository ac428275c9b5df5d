// Client against server over a socket pair of this process; peers of other makes are met in test/shim.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import test, { type TestContext } from 'node:test';
import { EngineError } from '@berth/errdefs/engine-error';
import { Task } from '../../gen/containerd/runtime/task/v3/shim.ts';
import { Any } from '../../gen/google/protobuf/any.ts';
import type { MethodType } from '../wire/message.ts';
import { TtrpcClient } from './client.ts';
import { type Call, type Implementation, TtrpcServer } from './server.ts';

interface EchoMethod<Q extends boolean, R extends boolean> extends MethodType<Any, Any> {
  readonly requestStream: Q;
  readonly responseStream: R;
}

function method<const Q extends boolean, const R extends boolean>(name: string, requestStream: Q, responseStream: R): EchoMethod<Q, R> {
  return { name, path: `/test.Echo/${name}`, request: Any, response: Any, requestStream, responseStream };
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

const Echo = {
  name: 'test.Echo',
  methods: { one: method('One', false, false), up: method('Up', true, false), both: method('Both', true, true) },
} as const;

const text = (any: Any) => Buffer.from(any.value).toString();
const any = (value: string) => ({ typeUrl: 't', value: Buffer.from(value) });

async function serve(t: TestContext, implementation: Partial<Implementation<typeof Echo>>) {
  const directory = mkdtempSync('/tmp/berth-ttrpc-');
  const path = join(directory, 's');
  const server = new TtrpcServer().register(Echo, implementation as Implementation<typeof Echo>);
  server.listen(path);
  const client = await TtrpcClient.connect(path);
  t.after(() => {
    client.close();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return { client, server, path };
}

test('many calls share a connection and are answered in any order', async (t) => {
  const { client } = await serve(t, {
    one: async (request) => {
      await new Promise((resolve) => setTimeout(resolve, Number(text(request))));
      return request;
    },
  });
  const echo = client.stub(Echo);
  const order: string[] = [];
  await Promise.all(['30', '1', '15'].map(async (delay) => order.push(text(await echo.one(any(delay))))));
  assert.deepEqual(order, ['1', '15', '30']);
});

test('what one turn of the event loop calls leaves in one write', async () => {
  const writes: number[] = [];
  const stream = new Duplex({
    read() {},
    write: (_chunk, _encoding, done) => {
      writes.push(1);
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.length);
      done();
    },
  });
  using client = new TtrpcClient(stream);
  const echo = client.stub(Echo);
  const lost = (call: Promise<unknown>) => call.catch(() => {});
  lost(echo.one(any('first')));
  lost(Promise.resolve().then(() => echo.one(any('its continuation'))));
  await new Promise((resolve) => setImmediate(resolve));
  lost(echo.one(any('another turn')));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(writes, [2, 1]);
});

test('metadata and errors arrive with their kinds', async (t) => {
  let seen: Call | undefined;
  const { client } = await serve(t, {
    one: (_request, call) => {
      seen = call;
      throw new EngineError('NotFound', 'container abc: not found');
    },
  });
  await assert.rejects(client.stub(Echo).one(any('x'), { metadata: [['Traceparent', '00-1']] }), {
    kind: 'NotFound',
    message: 'container abc: not found',
  });
  assert.equal(seen?.metadata.get('traceparent'), '00-1');
  await assert.rejects(client.stub(Task).state({ id: 'x' }), { kind: 'NotImplemented' });
});

test('a call ends at its timeout, at its signal, and when the server goes away', async (t) => {
  let aborted: unknown;
  const { client, server } = await serve(t, {
    one: (_request, call) =>
      new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => {
          aborted = call.signal.reason;
          reject(call.signal.reason);
        });
      }),
  });
  const echo = client.stub(Echo);
  await assert.rejects(echo.one(any('x'), { timeout: 20 }), { kind: 'DeadlineExceeded' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((aborted as EngineError).kind, 'DeadlineExceeded');
  const controller = new AbortController();
  const cancelled = assert.rejects(echo.one(any('x'), { signal: controller.signal }), { kind: 'Cancelled' });
  controller.abort();
  await cancelled;
  const lost = assert.rejects(echo.one(any('x')), { kind: 'Unavailable' });
  server.close();
  await lost;
  await assert.rejects(echo.one(any('x')), { kind: 'Unavailable' });
});

test('streams run in both directions', async (t) => {
  const { client } = await serve(t, {
    up: async (requests) => any((await collect(requests)).map(text).join('')),
    both: async function* (requests) {
      for await (const request of requests) {
        if (text(request) === 'stop') throw new EngineError('Aborted', 'stopped');
        yield any(text(request).toUpperCase());
      }
    },
  });
  const up = client.stream(Echo.name, Echo.methods.up);
  for (const part of ['a', 'b', 'c']) up.send(any(part));
  up.closeSend();
  assert.deepEqual((await collect(up)).map(text), ['abc']);

  const both = client.stream(Echo.name, Echo.methods.both);
  both.send(any('x'));
  both.send(any('y'));
  both.closeSend();
  assert.deepEqual((await collect(both)).map(text), ['X', 'Y']);

  const failing = client.stream(Echo.name, Echo.methods.both);
  failing.send(any('stop'));
  await assert.rejects(collect(failing), { kind: 'Aborted', message: 'stopped' });
});

test('a peer that does not speak ttrpc is hung up on, others are served on', async (t) => {
  const { client, path } = await serve(t, { one: (request) => request });
  const stranger = connect(path);
  stranger.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise<void>((resolve) => stranger.on('close', () => resolve()).on('error', () => {}));
  assert.equal(text(await client.stub(Echo).one(any('still here'))), 'still here');
});
