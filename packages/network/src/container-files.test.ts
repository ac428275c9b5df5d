// resolv.conf and hosts as containers get them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerHosts, sharedHosts } from './hosts-file.ts';
import { containerResolvConf, parseResolvConf } from './resolv-conf.ts';

const body = (text: string) => text.split('\n').slice(1).join('\n');

test("the host's servers are kept, loopback ones only where they can be reached", () => {
  const host = '# home\nnameserver 10.0.0.1\nnameserver 127.0.0.1\nnameserver fd00::1\nsearch a.example b.example\noptions ndots:2\n';
  assert.equal(
    body(containerResolvConf(host, {}, { shared: false })),
    'nameserver 10.0.0.1\nsearch a.example b.example\noptions ndots:2\n',
  );
  assert.match(containerResolvConf(host, {}, { shared: false, ipv6: true }), /fd00::1/);
  assert.match(containerResolvConf(host, {}, { shared: true }), /127\.0\.0\.1/);
  assert.equal(body(containerResolvConf('nameserver 127.0.0.1\n', {}, { shared: false })), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
});

test("the user's choices replace the host's, each for itself", () => {
  const host = 'nameserver 10.0.0.1\nsearch a.example\noptions ndots:2\n';
  const user = { dns: ['127.0.0.9'], search: ['.'], options: ['timeout:1'] };
  assert.equal(body(containerResolvConf(host, user, { shared: false })), 'nameserver 127.0.0.9\noptions timeout:1\n');
});

test('comments, bad servers and repeated lines', () => {
  assert.deepEqual(
    parseResolvConf('; x\nnameserver nonsense\nnameserver fe80::1%eth0 # local\nsearch a\ndomain b\noptions x\noptions y z\n'),
    {
      nameservers: ['fe80::1%eth0'],
      search: ['b'],
      options: ['x', 'y', 'z'],
    },
  );
});

test('hosts: local names, additions, the container itself', () => {
  const text = containerHosts({
    hostname: 'web',
    domainname: 'example.org',
    addresses: ['172.17.0.2'],
    extraHosts: ['db:10.0.0.5', 'six=[fd00::5]', 'up:host-gateway'],
    hostGateway: '172.17.0.1',
  });
  assert.match(text, /^127\.0\.0\.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n/);
  assert.match(text, /10\.0\.0\.5\tdb\nfd00::5\tsix\n172\.17\.0\.1\tup\n172\.17\.0\.2\tweb\.example\.org web\n$/);
  assert.equal(sharedHosts('127.0.0.1 x', { extraHosts: ['a:1.2.3.4'] }), '127.0.0.1 x\n1.2.3.4\ta\n');
  assert.throws(() => containerHosts({ hostname: 'x', extraHosts: ['nonsense'] }), /bad format for add-host/);
  assert.throws(() => containerHosts({ hostname: 'x', extraHosts: ['a:host-gateway'] }), /unable to derive the IP value for host-gateway/);
});
