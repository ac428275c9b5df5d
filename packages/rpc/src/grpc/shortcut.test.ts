import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EngineError } from '@berth/errdefs/engine-error';
import { Namespaces } from '../../gen/containerd/services/namespaces/v1/namespace.ts';
import { Events } from '../../gen/containerd/services/ttrpc/events/v1/events.ts';
import { Version } from '../../gen/containerd/services/version/v1/version.ts';
import { TtrpcServer } from '../ttrpc/server.ts';
import { NAMESPACE } from './metadata.ts';
import { GrpcServer } from './server.ts';
import { ShortcutConnection } from './shortcut.ts';

/** A service on `address`; with `shortcut`, on its ttrpc socket too, otherwise that has events only, as containerd's. */
async function serve(t: TestContext, shortcut: boolean) {
  const directory = mkdtempSync(join(tmpdir(), 'berth-shortcut-'));
  const address = join(directory, 's');
  const over = (protocol: string) => ({
    get: (_request: unknown, call: { metadata: ReadonlyMap<string, string> }) => ({
      namespace: {
        name: protocol,
        labels: { namespace: call.metadata.get(NAMESPACE) ?? '', trace: call.metadata.get('traceparent') ?? '' },
      },
    }),
    list: () => ({ namespaces: [{ name: protocol }] }),
    delete: () => {
      throw new EngineError('FailedPrecondition', 'not empty', { layer: 'lifecycle' });
    },
    create: () => ({}),
    update: () => ({}),
  });
  const grpc = new GrpcServer().register(Version, { version: () => ({}) }).register(Namespaces, over('grpc'));
  const ttrpc = new TtrpcServer().register(Events, { forward: () => ({}) });
  if (shortcut) ttrpc.register(Version, { version: () => ({}) }).register(Namespaces, over('ttrpc'));
  const listener = ttrpc.listen(`${address}.ttrpc`);
  await new Promise((resolve) => listener.once('listening', resolve));
  await grpc.listen(address);
  const connection = new ShortcutConnection(address, { namespace: 'one' });
  t.after(async () => {
    connection.close();
    ttrpc.close();
    await grpc.close();
    rmSync(directory, { recursive: true });
  });
  await connection.ready();
  return { connection, namespaces: connection.client(Namespaces), ttrpc };
}

test('calls take the shorter way, with their metadata and errors; what it is not made for does not', async (t) => {
  const { connection, namespaces } = await serve(t, true);
  assert.equal(connection.shortened, true);
  const { namespace } = await namespaces.get({}, { trace: '00-a-b-01' });
  assert.deepEqual(namespace, { name: 'ttrpc', labels: { namespace: 'one', trace: '00-a-b-01' } });
  await assert.rejects(namespaces.delete({}), (error) => {
    assert.ok(error instanceof EngineError);
    assert.deepEqual([error.kind, error.message, error.layer], ['FailedPrecondition', 'not empty', 'lifecycle']);
    return true;
  });
  assert.equal((await namespaces.list({})).namespaces[0]?.name, 'grpc');
  assert.equal((await namespaces.get({}, { signal: new AbortController().signal })).namespace?.name, 'grpc');
});

test('a service that has events only on its ttrpc socket is called over gRPC', async (t) => {
  const { connection, namespaces } = await serve(t, false);
  assert.equal(connection.shortened, false);
  assert.equal((await namespaces.get({})).namespace?.name, 'grpc');
});

test('when the shorter way breaks, the longer one is taken', async (t) => {
  const { connection, namespaces, ttrpc } = await serve(t, true);
  ttrpc.close();
  while (connection.shortened) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal((await namespaces.get({})).namespace?.name, 'grpc');
});
