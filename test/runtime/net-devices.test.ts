// Devices of the host's network that move into a container, in a network namespace that plays the host. What runc's netdev suite asks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { createVeth, findLink, type Link } from '@berth/sys/netlink/link';
import { addAddress } from '@berth/sys/netlink/route';
import { NETLINK_ROUTE, NetlinkSocket } from '@berth/sys/netlink/socket';
import { inNetworkNamespace } from '@berth/sys/network-namespace';
import { isolatedNetwork } from '../harness/berthd.ts';
import { program } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';

const MAC = '00:11:22:33:44:55';

/** A host with the device `port0` (mtu 1789, an address for everybody and one for the host alone), whose other end is `wire`. */
class Host {
  readonly #namespace = isolatedNetwork();
  readonly laboratory: Laboratory;

  constructor(t: TestContext) {
    this.laboratory = Laboratory.open(t);
    t.after(() => closeSync(this.#namespace));
    this.inside(() => {
      using route = new NetlinkSocket(NETLINK_ROUTE);
      const peer = { name: 'port0', index: 0, macAddress: MAC, namespaceFd: this.#namespace };
      route.transact([createVeth({ name: 'wire', index: 0, master: 0, mtu: 1789, peer })]);
      route.transact([addAddress(this.link('port0')?.index ?? 0, { address: Uint8Array.of(169, 254, 169, 77), prefixLength: 32 })]);
      spawnSync(program('busybox'), ['ip', 'addr', 'add', '127.0.0.33/32', 'dev', 'port0', 'scope', 'host']);
    });
  }

  inside<T>(body: () => T): T {
    return inNetworkNamespace(this.#namespace, body);
  }

  link(name: string): Link | undefined {
    return this.inside(() => {
      using route = new NetlinkSocket(NETLINK_ROUTE);
      return findLink(route, name);
    });
  }

  run(script: string, netDevices: object, change: (spec: Spec) => void = () => {}) {
    return this.inside(() =>
      this.laboratory.run(script, (spec) => {
        if (spec.linux) Object.assign(spec.linux, { netDevices });
        change(spec);
      }),
    );
  }
}

test('a device moves in with its address for everybody, its MTU and its MAC, and is up', (t) => {
  const { stdout, stderr } = new Host(t).run('ip address show dev port0', { port0: {} });
  assert.match(stdout, /inet 169\.254\.169\.77\/32 /, stderr);
  assert.doesNotMatch(stdout, /127\.0\.0\.33/);
  assert.match(stdout, /mtu 1789 /);
  assert.match(stdout, new RegExp(`ether ${MAC} `));
  assert.match(stdout, /[<,]UP[,>]/);
});

test('it may get another name, and hooks see it there', (t) => {
  const host = new Host(t);
  const { code, stdout, stderr } = host.run('ip address show dev inside0', { port0: { name: 'inside0' } }, (spec) => {
    const look = `pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/'); nsenter -t $pid -n ip link show inside0 >/dev/null`;
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', look], env: [`PATH=${process.env.PATH}`] }] };
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /169\.254\.169\.77/);
});

test('a device that is not there is named, and the one before it is back as it was', (t) => {
  const host = new Host(t);
  const { code, stderr } = host.run('true', { port0: { name: 'x0' }, port1: {} });
  assert.equal(code, 1);
  assert.match(stderr, /link not found for interface port1 on runtime namespace/);
  const link = host.link('port0');
  assert.deepEqual([link?.mtu, link?.macAddress, link?.up], [1789, MAC, true]);
  const addresses = host.inside(() =>
    spawnSync(program('busybox'), ['ip', 'address', 'show', 'dev', 'port0'], { encoding: 'utf8' }),
  ).stdout;
  assert.match(addresses, /inet 169\.254\.169\.77\/32 /);
});

test('names that no device can have, and containers without a network of their own, are refused', (t) => {
  const host = new Host(t);
  assert.match(host.run('true', { port0: { name: 'much-too-long-name' } }).stderr, /invalid network device name ."much-too-long-name/);
  assert.match(host.run('true', { port0: { name: 'a' }, wire: { name: 'a' } }).stderr, /two network devices would be named ."a/);
  const shared = (spec: Spec) => {
    if (spec.linux) spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'network') ?? [];
  };
  assert.match(host.run('true', { port0: {} }, shared).stderr, /unable to move network devices without a NET namespace/);
  assert.ok(host.link('port0'));
});
