// Name resolution on user-defined networks: names, aliases, ids, reverse, what goes upstream, and what does not.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, test } from 'node:test';
import { Networks } from '@berth/network/networks';
import { bindHostSocket } from '@berth/sys/host-socket';
import { becomeIsolatedHost, Machine } from './laboratory.ts';

becomeIsolatedHost();
const networks = new Networks({ defaultBridge: 'berth-test' });
after(() => networks[Symbol.dispose]());

/** A server outside that knows one thing about every name: it hands the question back as an answer without records. */
const asked: string[] = [];
const outside = createSocket('udp4');
outside.on('message', (query, from) => {
  asked.push(query.subarray(12).toString('latin1'));
  const response = Buffer.from(query);
  response[2] = 0x81;
  response[3] = 0x83; // no such name
  outside.send(response, from.port, from.address);
});
outside.bind({ fd: bindHostSocket('udp', Uint8Array.of(127, 0, 0, 1), 5300) });
outside.unref();
const UPSTREAM = ['127.0.0.1#5300'];

function join(network: string, id: string, aliases: string[] = []): Machine {
  const machine = new Machine();
  const endpoint = networks.get(network).allocate({ containerId: id.padEnd(64, '0'), containerName: id, aliases });
  endpoint.attach({ fd: machine.fd });
  const server = networks.serveNames(id.padEnd(64, '0'), { fd: machine.fd }, UPSTREAM);
  machine.onDispose(() => {
    server[Symbol.dispose]();
    endpoint.release();
  });
  return machine;
}

async function lookup(machine: Machine, name: string): Promise<string> {
  return (await machine.busybox('nslookup', name, '127.0.0.11')).output;
}

test('containers of one network find each other by name, alias, id and address', async () => {
  networks.create({ name: 'app', subnets: [{ subnet: '10.50.0.0/24' }] });
  using web = join('app', 'web', ['www']);
  using db = join('app', 'database');
  for (const name of ['database', 'DATABASE', 'database.app', 'database0000'])
    assert.match(await lookup(web, name), /Address: 10\.50\.0\.3/, name);
  assert.match(await lookup(db, 'www'), /Address: 10\.50\.0\.2/);
  assert.match(await lookup(db, '10.50.0.2'), /name = web\.app/);
  assert.deepEqual(asked, []);
});

test('other names go upstream as they are; internal networks ask nobody', async () => {
  using web = join('app', 'web');
  assert.match(await lookup(web, 'berth.example'), /NXDOMAIN/);
  assert.ok(asked.some((question) => question.includes('\x05berth\x07example')));
  asked.length = 0;
  networks.create({ name: 'closed', internal: true, subnets: [{ subnet: '10.51.0.0/24' }] });
  using shut = join('closed', 'shut');
  assert.match(await lookup(shut, 'berth.example'), /SERVFAIL|can't find/);
  assert.match(await lookup(shut, 'web'), /SERVFAIL|can't find/);
  assert.match(await lookup(shut, 'shut'), /Address: 10\.51\.0\.2/);
  assert.deepEqual(asked, []);
});

test('a container may have a name server of its own on port 53', async () => {
  using web = join('app', 'web');
  web.serveUdpEcho(53);
  assert.match(await lookup(web, 'web'), /Address: 10\.50\.0\.\d/);
});

test('after a restart of the daemon the same container is served again', async () => {
  using web = join('app', 'web');
  using again = networks.serveNames('web'.padEnd(64, '0'), { fd: web.fd }, UPSTREAM);
  void again;
  assert.match(await lookup(web, 'web'), /Address: 10\.50\.0\.\d/);
});
