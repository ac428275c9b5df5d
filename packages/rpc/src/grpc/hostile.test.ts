// Clients that write bytes of their own: each gets the answer that RFC 9113 has for it, and nobody else is worse off.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Any } from '../../gen/google/protobuf/any.ts';
import { ErrorCode, Flag, FrameType, MAX_WINDOW, PREFACE } from '../http2/frames.ts';
import { field } from '../http2/hpack.ts';
import { GrpcConnection } from './client.ts';
import { any, data, Echo, frame, headers, number, rawClient, request, SETTINGS, serve, text } from './echo-fixture.ts';

const LIMIT = { timeout: 20_000 };
const message = Any.encode(any('hello'));
const echo = { one: (request: Any) => request };
const silent = { one: () => new Promise<never>(() => {}) };
const repeat = (count: number, bytes: Uint8Array) => Buffer.concat(new Array(count).fill(bytes));
const setting = (name: number, value: number) => Buffer.concat([Buffer.of(0, name), number(value)]);
const window = (stream: number, by: number) => frame(FrameType.window, 0, stream, number(by));
const reset = (stream: number) => frame(FrameType.reset, 0, stream, number(8));
const open = headers(1);
const asked = Buffer.concat([open, data(1, message)]);

/** What a connection sends behind its SETTINGS, and the code that it is hung up on with. */
const CONNECTION_ERRORS: [what: string, code: number, ...sent: Uint8Array[]][] = [
  ['a frame of more than 16 KiB', ErrorCode.frameSize, open, frame(FrameType.data, 0, 1, Buffer.alloc(16_385))],
  ['PING of seven bytes', ErrorCode.frameSize, frame(FrameType.ping, 0, 0, Buffer.alloc(7))],
  ['PING on a stream', ErrorCode.protocol, frame(FrameType.ping, 0, 1, Buffer.alloc(8))],
  ['SETTINGS on a stream', ErrorCode.protocol, frame(FrameType.settings, 0, 1)],
  ['SETTINGS of five bytes', ErrorCode.frameSize, frame(FrameType.settings, 0, 0, Buffer.alloc(5))],
  ['an acknowledgement with settings', ErrorCode.frameSize, frame(FrameType.settings, Flag.ack, 0, Buffer.alloc(6))],
  ['INITIAL_WINDOW_SIZE beyond a window', ErrorCode.flowControl, frame(FrameType.settings, 0, 0, setting(4, 2 ** 31))],
  ['MAX_FRAME_SIZE of nothing', ErrorCode.protocol, frame(FrameType.settings, 0, 0, setting(5, 0))],
  ['ENABLE_PUSH 2', ErrorCode.protocol, frame(FrameType.settings, 0, 0, setting(2, 2))],
  [
    'a window that new settings widen too far',
    ErrorCode.flowControl,
    open,
    window(1, MAX_WINDOW - 65_535),
    frame(FrameType.settings, 0, 0, setting(4, 65_536)),
  ],
  ['a connection window beyond 2^31-1', ErrorCode.flowControl, window(0, MAX_WINDOW)],
  ['a connection window widened by nothing', ErrorCode.protocol, window(0, 0)],
  ['PUSH_PROMISE', ErrorCode.protocol, frame(FrameType.push, Flag.endHeaders, 1, number(2))],
  ['DATA on no stream', ErrorCode.protocol, frame(FrameType.data, 0, 0)],
  ['DATA on an idle stream', ErrorCode.protocol, frame(FrameType.data, 0, 5)],
  ['RST_STREAM on an idle stream', ErrorCode.protocol, reset(5)],
  ['WINDOW_UPDATE on an idle stream', ErrorCode.protocol, window(5, 1)],
  ['HEADERS on no stream', ErrorCode.protocol, headers(0)],
  ['HEADERS on an even stream', ErrorCode.protocol, headers(2)],
  ['a stream whose number does not grow', ErrorCode.protocol, headers(5), headers(3)],
  ['a request on a stream that is answered', ErrorCode.protocol, asked, headers(1)],
  ['more padding than payload', ErrorCode.protocol, open, frame(FrameType.data, Flag.padded, 1, Buffer.of(2, 0))],
  ['HEADERS too short for their priority', ErrorCode.frameSize, headers(1, Buffer.alloc(4), Flag.priority)],
  ['a block that is interrupted', ErrorCode.protocol, frame(FrameType.headers, 0, 1), frame(FrameType.ping, 0, 0, Buffer.alloc(8))],
  ['a block that goes on on another stream', ErrorCode.protocol, frame(FrameType.headers, 0, 1), frame(FrameType.continuation, 4, 3)],
  ['CONTINUATION of nothing', ErrorCode.protocol, frame(FrameType.continuation, Flag.endHeaders, 1)],
  ['a block that is no HPACK', ErrorCode.compression, headers(1, Buffer.of(0xff))],
  ['a request without a path', ErrorCode.protocol, headers(1, Buffer.concat([field(':method', 'POST'), field(':scheme', 'http')]))],
  ['two paths', ErrorCode.protocol, headers(1, Buffer.concat([request('/a'), field(':path', '/b')]))],
  ['a pseudo-header behind a header', ErrorCode.protocol, headers(1, Buffer.concat([request('/a'), field(':authority', 'b')]))],
  ['a pseudo-header of answers', ErrorCode.protocol, headers(1, Buffer.concat([field(':status', '200'), request('/a')]))],
  ['a header of connections', ErrorCode.protocol, headers(1, request('/a', { connection: 'close' }))],
  ['te: gzip', ErrorCode.protocol, headers(1, request('/a', { te: 'gzip' }))],
  [
    'more data than the window',
    ErrorCode.flowControl,
    headers(1, request('/test.Echo/Up')),
    repeat(513, frame(FrameType.data, 0, 1, Buffer.concat([Buffer.from('0000003ffb', 'hex'), Buffer.alloc(16_379)]))),
  ],
  [
    'header fields without end',
    ErrorCode.calm,
    frame(FrameType.headers, 0, 1, request('/a')),
    repeat(100, frame(FrameType.continuation, 0, 1)),
  ],
  [
    '64 KiB of header fields',
    ErrorCode.calm,
    headers(1, request('/a', { a: 'x'.repeat(16_000) })),
    frame(FrameType.headers, 0, 3, Buffer.alloc(16_384)),
    repeat(4, frame(FrameType.continuation, 0, 3, Buffer.alloc(16_384))),
  ],
  [
    'fields that are bombs',
    ErrorCode.calm,
    headers(1, Buffer.concat([request('/a'), Buffer.of(0x40), field('b', 'x'.repeat(4000)).subarray(1), Buffer.alloc(20, 0xbe)])),
  ],
  ['a flood of PING', ErrorCode.calm, repeat(20_000, frame(FrameType.ping, 0, 0, Buffer.alloc(8)))],
  ['a flood of SETTINGS', ErrorCode.calm, repeat(20_000, SETTINGS)],
  ['a flood of empty DATA', ErrorCode.calm, open, repeat(20_000, frame(FrameType.data, 0, 1))],
  ['a flood of PRIORITY', ErrorCode.calm, repeat(20_000, frame(FrameType.priority, 0, 1, Buffer.alloc(5)))],
  ['a flood of unknown frames', ErrorCode.calm, repeat(20_000, frame(99, 0, 0))],
  [
    'streams that are given up at once',
    ErrorCode.calm,
    ...Array.from({ length: 2000 }, (_, i) => Buffer.concat([headers(2 * i + 1), reset(2 * i + 1)])),
  ],
  ['more streams than there may be, again and again', ErrorCode.calm, ...Array.from({ length: 14_000 }, (_, i) => headers(2 * i + 1))],
];

for (const [what, code, ...sent] of CONNECTION_ERRORS) {
  test(`ends the connection: ${what}`, LIMIT, async (t) => {
    const { path } = await serve(t, { ...echo, up: () => new Promise<never>(() => {}) });
    using neighbour = new GrpcConnection(path);
    const { one } = neighbour.client(Echo);
    assert.equal(text(await one(any('before'))), 'before');
    const client = await rawClient(t, path);
    if (what.includes('answered')) {
      client.write(asked);
      await client.until(({ type, flags }) => type === FrameType.headers && (flags & Flag.endStream) !== 0);
      client.write(...sent.slice(1));
    } else client.write(...sent);
    assert.equal(await client.goaway(), code);
    assert.equal(text(await one(any('after'))), 'after');
  });
}

test('a client that begins with anything else is hung up on', LIMIT, async (t) => {
  const { path } = await serve(t, echo);
  for (const greeting of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r']) {
    assert.equal(await (await rawClient(t, path, Buffer.from(greeting))).goaway(), ErrorCode.protocol);
  }
  for (const early of [frame(FrameType.ping, 0, 0, Buffer.alloc(8)), frame(FrameType.settings, Flag.ack, 0)]) {
    assert.equal(await (await rawClient(t, path, Buffer.concat([PREFACE, early]))).goaway(), ErrorCode.protocol);
  }
});

/** What ends the stream, but not its connection. */
const STREAM_ERRORS: [what: string, code: number, ...sent: Uint8Array[]][] = [
  ['a stream window widened by nothing', ErrorCode.protocol, open, window(1, 0)],
  ['a stream window beyond 2^31-1', ErrorCode.flowControl, open, window(1, MAX_WINDOW)],
  ['DATA behind the end', ErrorCode.streamClosed, asked, data(1, message)],
  ['trailers behind the end', ErrorCode.streamClosed, asked, headers(1, field('a', 'b'), Flag.endStream)],
  ['fields in the middle of data', ErrorCode.streamClosed, open, headers(1, field('a', 'b'))],
];

for (const [what, code, ...sent] of STREAM_ERRORS) {
  test(`ends the stream: ${what}`, LIMIT, async (t) => {
    const { path } = await serve(t, silent);
    const client = await rawClient(t, path);
    client.write(...sent);
    const { payload } = await client.until(({ type, stream }) => type === FrameType.reset && stream === 1);
    assert.equal(payload.readUInt32BE(), code);
    client.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
    await client.until(({ type }) => type === FrameType.ping);
  });
}

test('a stream beyond the ten thousandth is refused, also while given up calls go on; the others live', LIMIT, async (t) => {
  const { path } = await serve(t, silent);
  const client = await rawClient(t, path);
  for (let i = 0; i < 10_000; i++) client.write(headers(2 * i + 1), data(2 * i + 1, message));
  for (let i = 0; i < 10; i++) client.write(reset(2 * i + 1));
  client.write(headers(20_001));
  const { stream, payload } = await client.until(({ type }) => type === FrameType.reset);
  assert.deepEqual([stream, payload.readUInt32BE()], [20_001, ErrorCode.refused]);
  client.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
  await client.until(({ type }) => type === FrameType.ping);
});

test('frames that were on their way to a stream that is over are passed over', LIMIT, async (t) => {
  const { path } = await serve(t, echo);
  const client = await rawClient(t, path);
  client.write(headers(1, request('/test.Echo/Nothing')));
  await client.until(({ type, stream }) => type === FrameType.reset && stream === 1);
  client.write(data(1, message, 0), window(1, 5), headers(1, field('a', 'b'), Flag.endStream), reset(1), headers(3), data(3, message));
  await client.until(({ type, stream }) => type === FrameType.data && stream === 3);
});

test('padding, priority, trailers and CONTINUATION are understood, whatever the cuts', LIMIT, async (t) => {
  const { path } = await serve(t, echo);
  const client = await rawClient(t, path, new Uint8Array(0));
  const block = request('/test.Echo/One');
  const framed = Buffer.concat([Buffer.of(0), number(message.length), message]);
  const bytes = Buffer.concat([
    PREFACE,
    SETTINGS,
    frame(
      FrameType.headers,
      Flag.padded | Flag.priority,
      1,
      Buffer.concat([Buffer.of(3), Buffer.alloc(5), block.subarray(0, 9), Buffer.alloc(3)]),
    ),
    frame(FrameType.continuation, 0, 1, block.subarray(9, 20)),
    frame(FrameType.continuation, Flag.endHeaders, 1, block.subarray(20)),
    frame(FrameType.data, Flag.padded, 1, Buffer.concat([Buffer.of(7), framed.subarray(0, 3), Buffer.alloc(7)])),
    frame(FrameType.priority, 0, 1, Buffer.alloc(5)),
    frame(FrameType.data, 0, 1, framed.subarray(3)),
    headers(1, field('a', 'b'), Flag.endStream),
  ]);
  for (const byte of bytes) {
    client.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const answer = await client.until(({ type }) => type === FrameType.data);
  assert.equal(text(Any.decode(answer.payload.subarray(5))), 'hello');
});

test('a client that floods and does not read is hung up on', LIMIT, async (t) => {
  const { path } = await serve(t, echo);
  const client = await rawClient(t, path);
  client.socket.pause();
  for (let round = 0; round < 200 && !client.socket.destroyed; round++) {
    client.write(repeat(5000, frame(FrameType.ping, 0, 0, Buffer.alloc(8))));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(client.socket.destroyed, true);
});

test('a client that does not read its answers is asked for no more, until it does', LIMIT, async (t) => {
  const { path } = await serve(t, echo);
  const client = await rawClient(t, path);
  client.socket.pause();
  const count = 100_000;
  const block = request('/test.Echo/Nothing');
  client.write(...Array.from({ length: count }, (_, i) => headers(2 * i + 1, block, Flag.endStream)));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assert.ok(client.socket.writableLength > 0, 'all was read');
  client.socket.resume();
  await client.until(({ type, stream }) => type === FrameType.headers && stream === 2 * count - 1);
});

test('what wakes the client goes out together', LIMIT, async (t) => {
  const { path } = await serve(t, { one: async (request) => request });
  const client = await rawClient(t, path);
  await client.until(({ type, flags }) => type === FrameType.settings && flags === Flag.ack);
  client.chunks.length = 0;
  client.write(headers(1), data(1, message), frame(FrameType.ping, 0, 0, Buffer.alloc(8)), headers(3), data(3, message), SETTINGS);
  const last = ({ type, flags, stream }: { type: number; flags: number; stream: number }) =>
    type === FrameType.headers && flags === (Flag.endHeaders | Flag.endStream) && stream === 3;
  await client.until(last);
  assert.equal(client.chunks.length, 1);
  assert.deepEqual(
    client.got.slice(-8).map(({ type }) => type),
    [6, 4, 1, 1, 0, 1, 0, 1],
  );
});
