// The default bridge: addresses, reaching each other, the host and the outside, what is not reachable, and what is left behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import type { Endpoint, EndpointRequest } from '@berth/network/driver';
import { Networks } from '@berth/network/networks';
import { listLinks } from '@berth/sys/netlink/link';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { becomeIsolatedHost, connectOutside, HOST_ADDRESS, Machine, OUTSIDE_ADDRESS } from './laboratory.ts';

becomeIsolatedHost();
const outside = connectOutside();
const networks = new Networks({ defaultBridge: 'berth-test' });
const bridge = networks.get('bridge');
const route = new NetlinkSocket(NETLINK_ROUTE);

after(() => {
  networks[Symbol.dispose]();
  outside[Symbol.dispose]();
  route[Symbol.dispose]();
});

function start(id: string, request: Partial<EndpointRequest> = {}): { machine: Machine; endpoint: Endpoint } & Disposable {
  const machine = new Machine();
  const endpoint = bridge.allocate({ containerId: id, containerName: id, ...request });
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

test("the bridge takes Docker's first subnet and its gateway", () => {
  assert.deepEqual(bridge.record.subnets, [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }]);
  assert.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(), '1');
});

test('the rules read as docs/networks.md says', (context) => {
  const { stdout, error } = spawnSync('nft', ['list', 'table', 'ip', 'berth-berth-test'], { encoding: 'utf8' });
  if (error) return context.skip('nft is not installed (Debian: nftables)');
  const table = stdout.replace(/\s+/g, ' ');
  for (const rule of [
    'type nat hook prerouting priority dstnat; policy accept;',
    'iifname "berth-test" meta l4proto tcp accept',
    'fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @ports_of_address',
    'fib daddr type local dnat ip to meta l4proto . th dport map @ports',
    'ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @ports',
    'ip saddr 172.17.0.0/16 oifname != "berth-test" masquerade',
    'ip saddr 172.17.0.0/16 oifname "berth-test" ct status dnat masquerade',
    'oifname "berth-test" ct state established,related accept',
    'iifname "berth-test" accept',
    'oifname "berth-test" ct status dnat accept oifname "berth-test" drop',
  ]) {
    assert.ok(table.includes(rule), `${rule} in ${table}`);
  }
});

test('containers get addresses in order, with MACs made from them, and reach each other and the host', async () => {
  using one = start('one');
  using two = start('two');
  assert.equal(one.endpoint.record.ipv4?.address, '172.17.0.2');
  assert.equal(two.endpoint.record.ipv4?.address, '172.17.0.3');
  assert.equal(two.endpoint.record.macAddress, '02:42:ac:11:00:03');
  assert.equal(two.endpoint.record.containerInterface, 'eth0');
  one.machine.serveHttp(80, 'page of one');
  assert.equal(await two.machine.fetch('http://172.17.0.2/'), 'page of one for 172.17.0.3');
  assert.equal(await (await fetch('http://172.17.0.2/')).text(), 'page of one for 172.17.0.1');
  const ping = await two.machine.busybox('ping', '-c1', '-W2', '172.17.0.1');
  assert.equal(ping.code, 0, ping.output);
  const loopback = await two.machine.busybox('ping', '-c1', '-W2', '127.0.0.1');
  assert.equal(loopback.code, 0, loopback.output);
});

test("the outside sees the host's address, and cannot reach in", async () => {
  using inside = start('inside');
  outside.serveHttp(80, 'internet');
  inside.machine.serveHttp(8080, 'secret');
  assert.equal(await inside.machine.fetch(`http://${OUTSIDE_ADDRESS}/`), `internet for ${HOST_ADDRESS}`);
  const address = inside.endpoint.record.ipv4?.address;
  assert.match(await outside.fetch(`http://${address}:8080/`), /^failed/);
});

test('an address that changes hands at once answers from its new owner', async () => {
  for (const turn of [1, 2, 3]) {
    using container = start(`turn${turn}`, { ipv4Address: '172.17.9.9' });
    container.machine.serveHttp(80, `turn ${turn}`);
    assert.equal(await (await fetch('http://172.17.9.9/', { headers: { connection: 'close' } })).text(), `turn ${turn} for 172.17.0.1`);
  }
});

test('fixed addresses are honoured, refused when taken or foreign', () => {
  using fixed = start('fixed', { ipv4Address: '172.17.5.5', macAddress: '02:00:00:00:00:99' });
  assert.equal(fixed.endpoint.record.ipv4?.address, '172.17.5.5');
  assert.equal(fixed.endpoint.record.macAddress, '02:00:00:00:00:99');
  assert.throws(() => start('second', { ipv4Address: '172.17.5.5' }), /Address already in use/);
  assert.throws(() => start('second', { ipv4Address: '10.1.2.3' }), /no configured subnet contains IP address 10\.1\.2\.3/);
});

test("a container on two networks has two interfaces, and the first one's default route", async () => {
  const extra = networks.create({ name: 'extra', subnets: [{ subnet: '10.77.0.0/24' }] });
  using first = start('both');
  const second = extra.allocate({ containerId: 'both', containerName: 'both' });
  second.attach({ fd: first.machine.fd });
  assert.equal(second.record.containerInterface, 'eth1');
  assert.equal(second.record.ipv4?.address, '10.77.0.2');
  const { output } = await first.machine.busybox('ip', 'route');
  assert.match(output, /default via 172\.17\.0\.1 dev eth0/);
  assert.match(output, /10\.77\.0\.0\/24 dev eth1/);
  assert.throws(() => networks.remove('extra'), /has active endpoints \(name:"both"/);
  second.detach();
  assert.doesNotMatch((await first.machine.busybox('ip', 'link')).output, /eth1/);
  networks.remove('extra');
  assert.throws(() => networks.get('extra'), /network extra not found/);
});

test('user-defined networks are separate; internal ones have no way out', async () => {
  using onDefault = start('a');
  const inner = networks.create({ name: 'inner', internal: true });
  assert.equal(inner.record.subnets[0]?.subnet, '172.18.0.0/16');
  using machine = new Machine();
  using peer = new Machine();
  const endpoint = inner.allocate({ containerId: 'b', containerName: 'b' });
  const other = inner.allocate({ containerId: 'c', containerName: 'c' });
  endpoint.attach({ fd: machine.fd });
  other.attach({ fd: peer.fd });
  onDefault.machine.serveHttp(80, 'default');
  peer.serveHttp(80, 'peer');
  assert.equal(await machine.fetch(`http://${other.record.ipv4?.address}/`), `peer for ${endpoint.record.ipv4?.address}`);
  assert.match(await machine.fetch(`http://${onDefault.endpoint.record.ipv4?.address}/`), /^failed/);
  assert.match(await machine.fetch(`http://${OUTSIDE_ADDRESS}/`), /^failed/);
  endpoint.release();
  other.release();
  networks.remove('inner');
});

test('IPv6: addresses, default route and masquerading when asked for', async () => {
  const six = networks.create({ name: 'six', enableIpv6: true, subnets: [{ subnet: 'fd00:77::/64' }] });
  using machine = new Machine();
  const endpoint = six.allocate({ containerId: 'v6', containerName: 'v6' });
  endpoint.attach({ fd: machine.fd });
  assert.equal(endpoint.record.ipv6?.address, 'fd00:77::2');
  const ping = await machine.busybox('ping', '-6', '-c1', '-W2', 'fd00:77::1');
  assert.equal(ping.code, 0, ping.output);
  assert.match((await machine.busybox('ip', '-6', 'route')).output, /default via fd00:77::1/);
  endpoint.release();
  networks.remove('six');
});

test('host and none: no interface, nothing to attach but the loopback', async () => {
  using machine = new Machine();
  const endpoint = networks.get('none').allocate({ containerId: 'n', containerName: 'n' });
  endpoint.attach({ fd: machine.fd });
  assert.equal((await machine.busybox('ping', '-c1', '-W1', '127.0.0.1')).code, 0);
  endpoint.release();
  networks.get('host').allocate({ containerId: 'h', containerName: 'h' }).release();
  assert.throws(() => networks.remove('host'), /host is a pre-defined network and cannot be removed/);
});

test('nothing is left of released containers, and nothing at all after removeAll', async () => {
  for (let tries = 0; tries < 100 && vethCount() > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(vethCount(), 0);
  networks.removeAll();
  assert.deepEqual(
    listLinks(route).filter(({ kind }) => kind === 'bridge'),
    [],
  );
  const { stdout } = spawnSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
  assert.equal((stdout ?? '').trim(), '');
});

function vethCount(): number {
  return listLinks(route).filter(({ name }) => name.startsWith('veth')).length;
}
