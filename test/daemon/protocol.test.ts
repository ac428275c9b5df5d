// The Engine API on the wire, without a client library: versions, headers, errors, hijacked connections.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { StdcopyDecoder } from '@berth/api/stdcopy';
import { WebSocket } from 'ws';
import { Berthd } from '../harness/berthd.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon[Symbol.asyncDispose]());

interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

function call(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({ socketPath: daemon.socket, method, path, headers: { ...type, ...headers } }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk) => {
        text += chunk;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const message = (reply: Reply) => (JSON.parse(reply.text) as { message: string }).message;

/** Sends raw bytes, half-closes, and collects everything until the server ends. */
function raw(text: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path: daemon.socket, allowHalfOpen: true }, () => socket.end(text));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
  });
}

async function created(body: object): Promise<string> {
  const reply = await call('POST', '/containers/create', JSON.stringify(body));
  assert.equal(reply.status, 201, reply.text);
  return (JSON.parse(reply.text) as { Id: string }).Id;
}

test('ping tells the versions, with and without a body', async () => {
  const head = await call('HEAD', '/_ping');
  assert.deepEqual(
    [head.status, head.headers['api-version'], head.headers.ostype, head.headers['builder-version'], head.text],
    [200, '1.51', 'linux', '1', ''],
  );
  assert.equal((await call('GET', '/v1.40/_ping')).text, 'OK');
});

test('versions outside the range are refused with both limits named', async () => {
  const old = await call('GET', '/v1.12/info');
  assert.equal(old.status, 400);
  assert.equal(
    message(old),
    'client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  );
  assert.equal(message(await call('GET', '/v1.99/info')), 'client version 1.99 is too new. Maximum supported API version is 1.51');
});

test('unknown paths and methods', async () => {
  for (const [method, path] of [
    ['GET', '/nope'],
    ['PATCH', '/containers/json'],
    ['GET', '/containers/json/'],
  ] as const) {
    const reply = await call(method, path);
    assert.deepEqual([reply.status, message(reply)], [404, 'page not found']);
  }
});

test('HEAD is a route of its own', async () => {
  assert.equal((await call('HEAD', '/info')).status, 404);
  assert.equal((await call('OPTIONS', '/info')).status, 200);
});

test('bodies that are no request', async () => {
  const malformed = await call('POST', '/containers/create', '{bad');
  assert.equal(malformed.status, 400);
  assert.equal(message(malformed), "invalid JSON: invalid character 'b' looking for beginning of object key string");
  const wrong = await call('POST', '/containers/create', '{"HostConfig":{"Memory":"1g"}}');
  assert.deepEqual(
    [wrong.status, message(wrong)],
    [400, 'invalid JSON: ContainerCreateRequest.HostConfig.Memory must be an integer, got a string'],
  );
  assert.equal((await call('POST', '/containers/create')).status, 400);
  assert.match(message(await call('POST', '/containers/create', 'x', { 'content-type': 'text/html' })), /unsupported Content-Type/);
  assert.equal(message(await call('GET', `/containers/json?filters=${encodeURIComponent('{"nope":["x"]}')}`)), "invalid filter 'nope'");
});

test('missing things', async () => {
  const image = await call('POST', '/containers/create', '{"Image":"absent"}');
  assert.deepEqual([image.status, message(image)], [404, 'No such image: absent:latest']);
  const container = await call('GET', '/containers/absent/json');
  assert.deepEqual([container.status, message(container)], [404, 'No such container: absent']);
});

test('attach by upgrade: bytes after the headers are input, a half-close ends it, output is framed', async () => {
  const id = await created({
    Image: 'busybox',
    Cmd: ['sh', '-c', 'cat; echo err >&2'],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
  });
  const attached = raw(
    `POST /v1.44/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\ntyped early\n`,
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  const started = await call('POST', `/containers/${id}/start`);
  assert.equal(started.status, 204, started.text);
  const bytes = await attached;
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, end);
  assert.match(head, /^HTTP\/1\.1 101 UPGRADED\r\n/);
  assert.match(head, /Content-Type: application\/vnd\.docker\.multiplexed-stream/);
  const frames = new StdcopyDecoder().push(bytes.subarray(end + 4));
  assert.deepEqual(
    frames.map(({ stream, payload }) => [stream, payload.toString()]),
    [
      [1, 'typed early\n'],
      [2, 'err\n'],
    ],
  );
  await call('DELETE', `/containers/${id}?force=1`);
});

/** A container's streams by WebSocket; what came, once it is closed. */
async function overWebSocket(path: string, says: string): Promise<{ messages: (Buffer | string)[]; code: number }> {
  const client = new WebSocket(`ws+unix://${daemon.socket}:${path}`);
  const messages: (Buffer | string)[] = [];
  client.on('message', (data, binary) => messages.push(binary ? (data as Buffer) : String(data)));
  await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject));
  client.send(says);
  const code = await new Promise<number>((resolve) => client.once('close', resolve));
  return { messages, code };
}

test('attach by WebSocket: messages are input, output has no frames', async () => {
  const script = 'read line; echo "got $line"; echo err >&2; exit 3';
  for (const [version, Tty] of [['v1.51', false] as const, ['v1.51', true] as const, ['v1.24', false] as const]) {
    const id = await created({ Image: 'busybox', Cmd: ['sh', '-c', script], OpenStdin: true, Tty });
    await call('POST', `/containers/${id}/start`);
    const streams = version === 'v1.24' ? '' : '&stdin=1&stdout=1&stderr=1';
    const { messages, code } = await overWebSocket(`/${version}/containers/${id}/attach/ws?stream=1${streams}`, 'typed\n');
    assert.equal(code, 1000);
    assert.deepEqual(new Set(messages.map((message) => typeof message)), new Set([version === 'v1.24' ? 'string' : 'object']));
    const output = messages.join('').replaceAll('\r', '');
    assert.deepEqual(output.split('\n').sort(), [...(Tty ? ['typed'] : []), '', 'err', 'got typed'].sort());
    await call('DELETE', `/containers/${id}?force=1`);
  }
});

test('the log comes by WebSocket too, and what is no WebSocket is refused', async () => {
  const id = await created({ Image: 'busybox', Cmd: ['sh', '-c', 'echo logged'] });
  const waiting = call('POST', `/containers/${id}/wait?condition=next-exit`);
  await call('POST', `/containers/${id}/start`);
  await waiting;
  const path = `/containers/${id}/attach/ws?logs=1&stdout=1`;
  assert.equal((await overWebSocket(path, '')).messages.join(''), 'logged\n');
  const plain = await call('GET', path);
  assert.equal(plain.status, 400);
  assert.match(message(plain), /^not websocket protocol/);
  const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'short' };
  assert.equal((await call('GET', path, undefined, upgrade)).status, 400);
  assert.equal((await call('GET', '/containers/absent/attach/ws')).status, 404);
  await call('DELETE', `/containers/${id}`);
});

test('an upgrade that fails is an ordinary error', async () => {
  const reply = (
    await raw('POST /containers/absent/attach?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
  ).toString();
  assert.match(reply, /^HTTP\/1\.1 404 /);
  assert.match(reply, /No such container: absent/);
});

test('the body of an exec start travels with the upgrade', async () => {
  const id = await created({ Image: 'busybox', Cmd: ['sleep', '60'] });
  await call('POST', `/containers/${id}/start`);
  const exec = JSON.parse(
    (await call('POST', `/containers/${id}/exec`, '{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}')).text,
  ) as { Id: string };
  const body = '{"Detach":false,"Tty":false}';
  const bytes = await raw(
    `POST /exec/${exec.Id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}after`,
  );
  const frames = new StdcopyDecoder().push(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4));
  assert.deepEqual(
    frames.map(({ payload }) => payload.toString()),
    ['after'],
  );
  assert.equal((JSON.parse((await call('GET', `/exec/${exec.Id}/json`)).text) as { ExitCode: number }).ExitCode, 0);
  const again = await call('POST', `/exec/${exec.Id}/start`, body);
  assert.deepEqual([again.status, message(again)], [409, `exec command ${exec.Id} has already run`]);
  await call('DELETE', `/containers/${id}?force=1`);
});

test('wait answers its headers before the end, and 304 says that nothing was to do', async () => {
  const id = await created({ Image: 'busybox', Cmd: ['sh', '-c', 'exit 3'] });
  const waiting = call('POST', `/containers/${id}/wait?condition=next-exit`);
  await call('POST', `/containers/${id}/start`);
  assert.deepEqual(JSON.parse((await waiting).text), { StatusCode: 3 });
  assert.equal((await call('POST', `/containers/${id}/stop`)).status, 304);
  assert.equal((await call('DELETE', `/containers/${id}`)).status, 204);
});

test('a trace follows a start through the layers', async () => {
  const id = await created({ Image: 'busybox', Cmd: ['true'] });
  const traceId = 'ab'.repeat(16);
  await call('POST', `/containers/${id}/start`, undefined, { traceparent: `00-${traceId}-${'cd'.repeat(8)}-01` });
  let layers = new Set<string>();
  for (let attempt = 0; attempt < 50 && layers.size < 3; attempt++) {
    const trace = JSON.parse((await call('GET', `/containers/${id}/trace`)).text) as { TraceId: string; Spans: { layer: string }[] };
    assert.equal(trace.TraceId, traceId);
    layers = new Set(trace.Spans.map(({ layer }) => layer));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(layers.isSupersetOf(new Set(['daemon', 'lifecycle', 'shim'])), [...layers].join(' '));
  await call('DELETE', `/containers/${id}?force=1`);
});
