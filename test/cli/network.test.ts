// Networks from the command line: made, used, named, connected, disconnected, removed; links and added hosts.
import assert from 'node:assert/strict';
import { type Bench, withBothClients } from './both-clients.ts';

const ok = async (client: Bench['client'], ...args: string[]) => {
  const result = await client(args);
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
  return result.stdout.trim();
};

withBothClients('networks', {
  'created, listed, inspected, removed': async ({ client, unique }) => {
    const name = unique();
    const id = await ok(client, 'network', 'create', '--subnet', '10.61.0.0/24', '--label', 'a=b', '--internal', name);
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(await ok(client, 'network', 'ls', '-q', '--no-trunc', '--filter', `name=${name}`), id);
    const format = '{{.Name}} {{.Driver}} {{.Internal}} {{(index .IPAM.Config 0).Subnet}} {{.Labels.a}}';
    assert.equal(await ok(client, 'network', 'inspect', '-f', format, name), `${name} bridge true 10.61.0.0/24 b`);
    const again = await client(['network', 'create', name]);
    assert.deepEqual([again.code, /network with name .* already exists/.test(again.stderr)], [1, true]);
    const overlap = await client(['network', 'create', '--subnet', '10.61.0.0/25', unique()]);
    assert.match(overlap.stderr, /Pool overlaps with other one on this address space/);
    assert.equal(await ok(client, 'network', 'rm', name), name);
    const missing = await client(['network', 'rm', name]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /network test-\d+ not found/);
    const predefined = await client(['network', 'rm', 'bridge']);
    assert.match(predefined.stderr, /bridge is a pre-defined network and cannot be removed/);
  },
  'containers of one network find each other by name and alias, also after the daemon died': async ({ daemon, client, unique }) => {
    const [network, server, asker] = [unique(), unique(), unique()];
    await ok(client, 'network', 'create', network);
    await ok(client, 'run', '-d', '--name', server, '--network', network, '--network-alias', 'www', 'busybox', 'sleep', '60');
    await ok(client, 'run', '-d', '--name', asker, '--network', network, 'busybox', 'sleep', '60');
    const address = await ok(client, 'inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, server);
    assert.match(await ok(client, 'exec', asker, 'cat', '/etc/resolv.conf'), /nameserver 127\.0\.0\.11/);
    assert.match(await ok(client, 'exec', asker, 'ping', '-c', '1', server), new RegExp(`from ${address}`));
    assert.match(await ok(client, 'exec', asker, 'nslookup', 'www'), new RegExp(`Address: ${address}`));
    await daemon.kill();
    await daemon.launch();
    assert.match(await ok(client, 'exec', asker, 'nslookup', 'www'), new RegExp(`Address: ${address}`));
    const busy = await client(['network', 'rm', network]);
    assert.deepEqual([busy.code, /has active endpoints/.test(busy.stderr)], [1, true], busy.stderr);
    await ok(client, 'rm', '-f', server, asker);
    await ok(client, 'network', 'rm', network);
  },
  'a running container is connected and disconnected': async ({ client, unique }) => {
    const [network, other, mover] = [unique(), unique(), unique()];
    await ok(client, 'network', 'create', '--subnet', '10.62.0.0/24', network);
    await ok(client, 'run', '-d', '--name', other, '--network', network, 'busybox', 'sleep', '60');
    await ok(client, 'run', '-d', '--name', mover, 'busybox', 'sleep', '60');
    const before = await ok(client, 'exec', mover, 'cat', '/etc/resolv.conf');
    await ok(client, 'network', 'connect', '--ip', '10.62.0.77', '--alias', 'moved', network, mover);
    assert.match(await ok(client, 'exec', mover, 'ip', 'addr', 'show', 'eth1'), /inet 10\.62\.0\.77\/24/);
    assert.match(await ok(client, 'exec', mover, 'ping', '-c', '1', other), /from 10\.62\.0\.2/);
    assert.match(await ok(client, 'exec', other, 'nslookup', 'moved'), /Address: 10\.62\.0\.77/);
    assert.equal(await ok(client, 'network', 'inspect', '-f', '{{len .Containers}}', network), '2');
    const twice = await client(['network', 'connect', network, mover]);
    assert.match(twice.stderr, /already exists in network/);
    await ok(client, 'network', 'disconnect', network, mover);
    assert.equal((await client(['exec', mover, 'ip', 'addr', 'show', 'eth1'])).code, 1);
    assert.equal(await ok(client, 'exec', mover, 'cat', '/etc/resolv.conf'), before);
    const stranger = await client(['network', 'disconnect', network, mover]);
    assert.match(stranger.stderr, /is not connected to (the )?network/);
    await ok(client, 'rm', '-f', mover, other);
    await ok(client, 'network', 'rm', network);
  },
  'prune takes the unused ones': async ({ client, unique }) => {
    const [used, unused, holder] = [unique(), unique(), unique()];
    await ok(client, 'network', 'create', used);
    await ok(client, 'network', 'create', unused);
    await ok(client, 'run', '-d', '--name', holder, '--network', used, 'busybox', 'sleep', '60');
    assert.equal(await ok(client, 'network', 'prune', '-f'), `Deleted Networks:\n${unused}`);
    await ok(client, 'rm', '-f', holder);
    await ok(client, 'network', 'rm', used);
  },
  'links, added hosts and the gateway by name': async ({ client, unique }) => {
    const [target, missing] = [unique(), unique()];
    await ok(client, 'run', '-d', '--name', target, 'busybox', 'sleep', '60');
    const address = await ok(client, 'inspect', '-f', '{{.NetworkSettings.IPAddress}}', target);
    const gateway = await ok(client, 'inspect', '-f', '{{.NetworkSettings.Gateway}}', target);
    const flags = ['--link', `${target}:db`, '--add-host', 'gate:host-gateway', '--add-host', 'six:2001:db8::1'];
    const hosts = await ok(client, 'run', '--rm', ...flags, 'busybox', 'cat', '/etc/hosts');
    assert.match(hosts, new RegExp(`^${address}\\tdb [0-9a-f]{12} ${target}$`, 'm'));
    assert.match(hosts, new RegExp(`^${gateway}\\tgate$`, 'm'));
    assert.match(hosts, /^2001:db8::1\tsix$/m);
    await ok(client, 'stop', '-t', '0', target);
    const stopped = await client(['run', '--rm', '--link', `${target}:db`, 'busybox', 'true']);
    assert.match(stopped.stderr, /Cannot link to a non running container: \/test-\d+ AS /);
    const nobody = await client(['run', '--rm', '--link', missing, 'busybox', 'true']);
    assert.match(nobody.stderr, /could not get container for test-\d+: No such container/);
    assert.equal(nobody.code, 125);
    await ok(client, 'rm', target);
  },
});
