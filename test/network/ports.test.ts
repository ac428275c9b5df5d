// Published ports: from the outside, from the host, from loopback, from containers; TCP, UDP, IPv6; refusals and restarts.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint, PortRequest } from '@berth/network/driver';
import { Networks } from '@berth/network/networks';
import { bindHostSocket } from '@berth/sys/host-socket';
import { NETLINK_NETFILTER, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace } from '@berth/sys/network-namespace';
import { FAMILY_IP, NftBatch } from '@berth/sys/nftables/batch';
import { becomeIsolatedHost, connectOutside, HOST_ADDRESS, Machine } from './laboratory.ts';

becomeIsolatedHost();
const outside = connectOutside();
let networks = new Networks({ defaultBridge: 'berth-test' });

after(() => {
  networks[Symbol.dispose]();
  outside[Symbol.dispose]();
});

function port(containerPort: number, hostPort: number, more: Partial<PortRequest> = {}): PortRequest {
  return { containerPort, hostPort, protocol: 'tcp', hostIp: '', ...more };
}

function start(id: string, ...ports: PortRequest[]): { machine: Machine; endpoint: Endpoint } & Disposable {
  return startAt('', id, ...ports);
}

function startAt(ipv4Address: string, id: string, ...ports: PortRequest[]): { machine: Machine; endpoint: Endpoint } & Disposable {
  const endpoint = networks.get('bridge').allocate({ containerId: id, containerName: id, ipv4Address, ports });
  const machine = new Machine();
  endpoint.attach({ fd: machine.fd });
  return {
    machine,
    endpoint,
    [Symbol.dispose]() {
      endpoint.release();
      machine[Symbol.dispose]();
    },
  };
}

async function get(url: string): Promise<string> {
  return (await fetch(url, { headers: { connection: 'close' } })).text();
}

test('a port is reached from outside, the host, loopback of both families, and containers', async () => {
  using web = start('web', port(80, 8080));
  using other = start('other');
  web.machine.serveHttp(80, 'web');
  assert.deepEqual(web.endpoint.record.ports, [
    { containerPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '0.0.0.0' },
    { containerPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '::' },
  ]);
  // Redirected by the rules: the container sees who is asking.
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8080/`), 'web for 192.0.2.2');
  assert.equal(await get(`http://${HOST_ADDRESS}:8080/`), `web for ${HOST_ADDRESS}`);
  // Served by the proxy: it is the bridge that asks.
  assert.equal(await get('http://127.0.0.1:8080/'), 'web for 172.17.0.1');
  assert.equal(await get('http://[::1]:8080/'), 'web for 172.17.0.1');
  // Hairpin: another container, and the container itself.
  assert.equal(await other.machine.fetch(`http://${HOST_ADDRESS}:8080/`), 'web for 172.17.0.1');
  assert.equal(await web.machine.fetch('http://172.17.0.1:8080/'), 'web for 172.17.0.1');
});

test('a released port refuses connections and is free again', async () => {
  start('short', port(80, 8081))[Symbol.dispose]();
  await assert.rejects(get('http://127.0.0.1:8081/'));
  assert.match(await outside.fetch(`http://${HOST_ADDRESS}:8081/`), /^failed: .*refused/s);
  start('again', port(80, 8081))[Symbol.dispose]();
});

test('a port bound to one address is published there only', async () => {
  using local = start('local', port(80, 8082, { hostIp: '127.0.0.1' }), port(80, 8083, { hostIp: HOST_ADDRESS }));
  local.machine.serveHttp(80, 'local');
  assert.equal(await get('http://127.0.0.1:8082/'), 'local for 172.17.0.1');
  assert.match(await outside.fetch(`http://${HOST_ADDRESS}:8082/`), /^failed/);
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8083/`), 'local for 192.0.2.2');
});

test("a port that is taken is refused in Docker's words, and nothing stays reserved", () => {
  using first = start('first', port(80, 8090));
  assert.throws(
    () => start('second', port(81, 8091), port(80, 8090)),
    /^EngineError: driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8090 failed: port is already allocated$/,
  );
  start('third', port(81, 8091))[Symbol.dispose]();
  const fd = bindHostSocket('tcp', new Uint8Array(4), 8092);
  try {
    assert.throws(
      () => start('fourth', port(80, 8092)),
      /failed to bind host port for 0\.0\.0\.0:8092:172\.17\.0\.\d+:80\/tcp: address already in use/,
    );
  } finally {
    closeSync(fd);
  }
  assert.throws(() => start('fifth', port(80, 8093, { hostIp: '198.51.100.1' })), /198\.51\.100\.1:8093.*cannot assign requested address/);
  assert.equal(first.endpoint.record.ports.length, 2);
});

test("a free port is found for nobody's choice and for a range; both families get the same", () => {
  using some = start('some', port(80, 0), port(81, 0));
  const ports = some.endpoint.record.ports.map(({ hostPort }) => hostPort);
  assert.equal(ports[0], ports[1]);
  assert.notEqual(ports[0], ports[2]);
  assert.ok(ports.every((one) => one >= 32768));
  using ranged = start('ranged', port(80, 8100, { hostPortEnd: 8101 }), port(81, 8100, { hostPortEnd: 8101 }));
  assert.deepEqual([...new Set(ranged.endpoint.record.ports.map(({ hostPort }) => hostPort))], [8100, 8101]);
  assert.throws(() => start('none left', port(80, 8100, { hostPortEnd: 8101 })), /port is already allocated/);
});

test('the proxy hands on a half-closed connection, and a refusal', async () => {
  using echo = start('echo', port(7, 8110), port(9, 8111));
  echo.machine.serveShout(7);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(8110, '127.0.0.1', () => socket.end('quiet words'));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
  assert.equal(answer, 'QUIET WORDS');
  await assert.rejects(get('http://127.0.0.1:8111/'));
});

test('UDP: through the proxy and through the rules', async () => {
  using echo = start('udp', port(53, 5353, { protocol: 'udp' }));
  echo.machine.serveUdpEcho(53);
  for (const address of ['127.0.0.1', HOST_ADDRESS]) {
    const socket = createSocket('udp4');
    const answer = await new Promise<string>((resolve) => {
      socket.on('message', (message) => resolve(String(message)));
      socket.send('hello', 5353, address);
    });
    socket.close();
    assert.equal(answer, 'echo hello');
  }
  assert.throws(() => start('udp2', port(53, 5353, { protocol: 'udp' })), /Bind for 0\.0\.0\.0:5353 failed: port is already allocated/);
  start('tcp beside udp', port(53, 5353))[Symbol.dispose]();
});

test('UDP clients that never fall silent reach the container that has the port now', async () => {
  const client = createSocket('udp4');
  // A failing test must not keep the process waiting for datagrams.
  client.unref();
  client.bind({ fd: inNetworkNamespace(outside.fd, () => bindHostSocket('udp', new Uint8Array(4), 40000)) });
  let heard = '';
  client.on('message', (message) => {
    heard = String(message);
  });
  for (const [name, ipv4Address] of [
    ['first', '172.17.3.1'],
    ['second', '172.17.3.2'],
  ] as const) {
    using echo = startAt(ipv4Address, name, port(53, 5354, { protocol: 'udp' }));
    echo.machine.serveUdpEcho(53, name);
    for (let asked = 0; asked < 50 && heard !== `${name} hello`; asked++) {
      client.send('hello', 5354, HOST_ADDRESS);
      await sleep(100);
    }
    assert.equal(heard, `${name} hello`);
  }
  client.close();
});

test('rules that somebody flushed are put back with the next change', async () => {
  using web = start('flushed', port(80, 8150));
  web.machine.serveHttp(80, 'web');
  using nft = new NetlinkSocket(NETLINK_NETFILTER);
  new NftBatch(FAMILY_IP, 'berth-berth-test').removeTable().commit(nft);
  assert.match(await outside.fetch(`http://${HOST_ADDRESS}:8150/`), /^web for 172\.17\.0\.1$/);
  start('next', port(80, 8151))[Symbol.dispose]();
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8150/`), 'web for 192.0.2.2');
});

test('a restarted daemon takes over: addresses, rules, proxies; traffic goes on meanwhile', async () => {
  using web = start('kept', port(80, 8120), port(80, 8121, { hostIp: '127.0.0.1' }));
  web.machine.serveHttp(80, 'kept');
  const records = networks.list().map(({ record }) => record);
  const endpoint = JSON.parse(JSON.stringify(web.endpoint.record));
  networks[Symbol.dispose]();
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8120/`), 'kept for 192.0.2.2');
  await assert.rejects(get('http://127.0.0.1:8120/'));

  networks = new Networks({ defaultBridge: 'berth-test' }, JSON.parse(JSON.stringify(records)), [endpoint]);
  assert.deepEqual(
    networks.get('bridge').record,
    records.find(({ name }) => name === 'bridge'),
  );
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8120/`), 'kept for 192.0.2.2');
  assert.equal(await get('http://127.0.0.1:8120/'), 'kept for 172.17.0.1');
  assert.equal(await get('http://127.0.0.1:8121/'), 'kept for 172.17.0.1');
  assert.throws(() => start('late', port(80, 8120)), /port is already allocated/);
  using next = start('next');
  assert.notEqual(next.endpoint.record.ipv4?.address, endpoint.ipv4.address);
  networks.get('bridge').endpoints.get('kept')?.release();
  await assert.rejects(get('http://127.0.0.1:8120/'));
});

test('a port that somebody else took while the daemon was away costs a warning, not the start', () => {
  const kept = start('robbed', port(80, 8130));
  const { record } = kept.endpoint;
  networks[Symbol.dispose]();
  const thief = bindHostSocket('tcp', new Uint8Array(4), 8130);
  const warnings: string[] = [];
  networks = new Networks({ defaultBridge: 'berth-test', warn: (message) => warnings.push(message) }, [], [{ ...record, networkId: '' }]);
  networks.get('bridge').restore([record]);
  closeSync(thief);
  assert.match(
    warnings.join(),
    /container robbed: failed to bind host port for 0\.0\.0\.0:8130:172\.17\.0\.\d+:80\/tcp: address already in use/,
  );
  kept.machine[Symbol.dispose]();
  networks.get('bridge').endpoints.get('robbed')?.release();
});

test('--iptables=false: no rules, published ports work through the proxy alone', async () => {
  using plain = new Networks({ defaultBridge: 'berth-plain', iptables: false, bip: '10.9.8.1/24' });
  const endpoint = plain.get('bridge').allocate({ containerId: 'p', containerName: 'p', ports: [port(80, 8140)] });
  using machine = new Machine();
  endpoint.attach({ fd: machine.fd });
  machine.serveHttp(80, 'plain');
  assert.equal(endpoint.record.ipv4?.address, '10.9.8.2');
  assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8140/`), 'plain for 10.9.8.1');
  endpoint.release();
  plain.removeAll();
});
