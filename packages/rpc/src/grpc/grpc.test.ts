import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import { TaskOOM } from '../../gen/containerd/events/task.ts';
import { Content } from '../../gen/containerd/services/content/v1/content.ts';
import { Events } from '../../gen/containerd/services/events/v1/events.ts';
import { Version } from '../../gen/containerd/services/version/v1/version.ts';
import { pack, unpack } from '../any.ts';
import { GrpcConnection } from './client.ts';
import { LEASE, NAMESPACE } from './metadata.ts';
import { GrpcServer } from './server.ts';

const directory = mkdtempSync(join(tmpdir(), 'berth-grpc-'));
const address = join(directory, 'grpc.sock');
let seen: ReadonlyMap<string, string> = new Map();
let aborted: Promise<void>;
const server = new GrpcServer();
const connection = new GrpcConnection(address, { namespace: 'one' });

before(async () => {
  server.register(Version, {
    version: (_request, call) => {
      seen = call.metadata;
      return { version: '1' };
    },
  });
  server.register(Events, {
    async *subscribe({ filters }, call) {
      const { signal } = call;
      aborted = new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      for (const topic of filters) yield { topic, event: pack(TaskOOM, { containerId: topic }) };
      if (filters.length === 0) throw new EngineError('ResourceExhausted', 'no more events', { layer: 'shim' });
      await aborted;
    },
    publish: () => {
      throw new EngineError('NotFound', 'no such topic: ä', { layer: 'lifecycle' });
    },
  });
  server.register(Content, {
    async *write(requests) {
      let offset = 0;
      for await (const { data, ref } of requests) {
        if (ref === 'bad') throw new EngineError('Unavailable', 'ref is locked');
        offset += data.length;
        yield { offset };
      }
    },
  });
  await server.listen(address);
});

after(async () => {
  connection.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

test('a unary call carries namespace, lease and trace', async () => {
  const { version, revision } = await connection.client(Version).version({}, { lease: 'l', trace: '00-1-2-01' });
  assert.deepEqual([version, revision], ['1', '']);
  assert.equal(seen.get(NAMESPACE), 'one');
  assert.equal(seen.get(LEASE), 'l');
  assert.equal(seen.get('traceparent'), '00-1-2-01');
});

test('an error keeps its kind, message and layer', async () => {
  await assert.rejects(connection.client(Events).publish({}), (error) => {
    assert.ok(error instanceof EngineError);
    assert.deepEqual([error.kind, error.message, error.layer], ['NotFound', 'no such topic: ä', 'lifecycle']);
    return true;
  });
});

test('a method without an implementation answers NotImplemented', async () => {
  await assert.rejects(connection.client(Events).forward({}), (error) => isKind(error, 'NotImplemented'));
});

test('leaving a server stream cancels it on the other side', async () => {
  const topics: string[] = [];
  for await (const { topic, event } of connection.client(Events).subscribe({ filters: ['/a', '/b'] })) {
    assert.ok(event);
    assert.equal(unpack(TaskOOM, event).containerId, topic);
    topics.push(topic);
    if (topics.length === 2) break;
  }
  assert.deepEqual(topics, ['/a', '/b']);
  await aborted;
});

test('a server stream ends in the error that the server threw', async () => {
  const events = connection.client(Events).subscribe({});
  await assert.rejects(collect(events), (error) => isKind(error, 'ResourceExhausted'));
});

test('a duplex goes back and forth, in messages of a megabyte', async () => {
  const duplex = connection.client(Content).write();
  const answers = duplex[Symbol.asyncIterator]();
  for (let round = 1; round <= 3; round++) {
    await duplex.send({ data: new Uint8Array(1 << 20) });
    assert.equal((await answers.next()).value?.offset, round << 20);
  }
  duplex.end();
  assert.equal((await answers.next()).done, true);
});

test('a duplex reports its error, even to a reader that comes late', async () => {
  const duplex = connection.client(Content).write();
  await duplex.send({ ref: 'bad' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await assert.rejects(collect(duplex), (error) => isKind(error, 'Unavailable'));
  await assert.rejects(duplex.send({}), (error) => isKind(error, 'Unavailable'));
});

test('nobody there is Unavailable, at once', async () => {
  using nobody = new GrpcConnection(join(directory, 'nobody.sock'));
  await assert.rejects(nobody.client(Version).version({}, { timeout: 2000 }), (error) => isKind(error, 'Unavailable'));
});

test('calls of every shape wait for a service that is on its way back', async () => {
  const late = join(directory, 'late.sock');
  using patient = new GrpcConnection(late, { patience: 5000 });
  const duplex = patient.client(Content).write();
  const sent = duplex.send({ data: new Uint8Array(10) });
  const answers = duplex[Symbol.asyncIterator]();
  const served = new GrpcServer().register(Content, {
    async *write(requests: AsyncIterable<{ data: Uint8Array }>) {
      for await (const { data } of requests) yield { offset: data.length };
    },
  } as never);
  await served.listen(late);
  try {
    await sent;
    assert.equal((await answers.next()).value?.offset, 10);
    duplex.end();
    assert.equal((await answers.next()).done, true);
  } finally {
    await served.close();
  }
});

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

test('a question that the service dies with is put to the next one; an order is not', async () => {
  const path = join(directory, 'mortal.sock');
  using patient = new GrpcConnection(path, { patience: 5000 });
  const content = patient.client(Content);
  const question = async () => (await content.info({ digest: 'd' })).info?.digest;
  const order = () => content.delete({ digest: 'd' }).catch((error: EngineError) => error.kind);
  for (const [call, outcome] of [
    [question, 'told by the second'],
    [order, 'Unavailable'],
  ] as const) {
    const asked = Promise.withResolvers<void>();
    const silent = () => {
      asked.resolve();
      return new Promise<never>(() => {});
    };
    const first = new GrpcServer().register(Content, { info: silent, delete: silent });
    await first.listen(`${path}.first`);
    // What stands between them dies, as a process does: without a word of HTTP/2.
    const sockets = new Set<Socket>();
    const between = createServer((socket) => {
      const onward = connect(`${path}.first`);
      for (const end of [socket, onward]) sockets.add(end.on('error', () => {}));
      socket.pipe(onward).pipe(socket);
    }).listen(path);
    const answer = call();
    await asked.promise;
    between.close();
    for (const socket of sockets) socket.destroy();
    await first.close(0);
    const second = new GrpcServer().register(Content, { info: () => ({ info: { digest: 'told by the second' } }), delete: () => ({}) });
    await second.listen(path);
    assert.equal(await answer, outcome);
    await second.close(0);
  }
});
