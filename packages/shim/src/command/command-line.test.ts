import assert from 'node:assert/strict';
import test from 'node:test';
import { parseCommandLine } from './command-line.ts';

const parse = (...argv: string[]) => parseCommandLine(argv, { TTRPC_ADDRESS: '/run/c.ttrpc', MAX_SHIM_VERSION: '3' }, '/bundle');

test("containerd's own command line", () => {
  const command = parse(
    '-namespace',
    'moby',
    '-id',
    'abc',
    '-address',
    '/run/c.sock',
    '-publish-binary',
    '/usr/bin/containerd',
    '-debug',
    'start',
  );
  assert.deepEqual(command, {
    action: 'start',
    maxVersion: 3,
    shim: {
      namespace: 'moby',
      id: 'abc',
      bundle: '/bundle',
      ttrpcAddress: '/run/c.ttrpc',
      runtimeRoot: '/run/berth/runtime/moby',
      socketDir: '/run/berth/s',
      traceDir: undefined,
      debug: true,
    },
  });
});

test('both kinds of dashes, both ways to give a value', () => {
  const command = parse('--namespace=n', '-id=x', '--bundle', '/b', '-debug=false', 'delete');
  assert.ok(command.action === 'delete');
  assert.deepEqual([command.shim.namespace, command.shim.id, command.shim.bundle, command.shim.debug], ['n', 'x', '/b', false]);
  assert.deepEqual(parse('-v'), { action: 'version' });
  assert.deepEqual(parse('--info'), { action: 'info' });
});

test('what is missing or unknown is named', () => {
  assert.throws(() => parse('-id', 'x', 'start'), /flag -namespace is required/);
  assert.throws(() => parse('-colour', 'start'), /flag -colour is not known/);
  assert.throws(() => parse('-namespace', 'n', '-id', 'x', 'stop'), /the action stop is not known/);
  assert.throws(() => parse('-namespace', 'n', '-id', 'x'), /say what to do/);
});
