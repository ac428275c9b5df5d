import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEndpoint, parseHost } from './endpoint.ts';

const nowhere = { HOME: '/nonexistent' };

test('hosts are read as docker reads them', () => {
  assert.deepEqual(parseHost('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock' });
  assert.deepEqual(parseHost('tcp://10.0.0.1:2375'), { kind: 'tcp', host: '10.0.0.1', port: 2375 });
  assert.deepEqual(parseHost('tcp://[::1]:80'), { kind: 'tcp', host: '::1', port: 80 });
  assert.deepEqual(parseHost('host:1234'), { kind: 'tcp', host: 'host', port: 1234 });
  assert.equal(parseHost('ssh://me@far').kind, 'ssh');
  assert.throws(() => parseHost('gopher://x'), /invalid bind address format: gopher:\/\/x/);
});

test('-H wins over DOCKER_HOST, which wins over the default socket', () => {
  assert.deepEqual(chooseEndpoint({ host: 'unix:///a', environment: { ...nowhere, DOCKER_HOST: 'unix:///b' } }), {
    kind: 'unix',
    path: '/a',
  });
  assert.deepEqual(chooseEndpoint({ environment: { ...nowhere, DOCKER_HOST: 'unix:///b' } }), { kind: 'unix', path: '/b' });
  assert.deepEqual(chooseEndpoint({ environment: nowhere }), { kind: 'unix', path: '/run/berth/berth.sock' });
});

test('a context that does not exist is named in the error', () => {
  assert.throws(() => chooseEndpoint({ context: 'moon', environment: nowhere }), /context "moon": context not found/);
});
