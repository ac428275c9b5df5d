import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { parseAliases, RuntimeAliases } from './runtime-aliases.ts';

const options = (binaryName: string) => pack(Options, { binaryName, root: '/run/docker/runtime-runc' });

test('an alias takes the OCI runtime along that the client chose, and leaves the default one behind', () => {
  const aliases = new RuntimeAliases(parseAliases(['io.containerd.runc.v2=io.containerd.berth.v1']));
  const name = 'io.containerd.berth.v1';
  assert.deepEqual(aliases.resolve({ name: 'io.containerd.runc.v2', options: options('runc') }), { name, options: undefined });
  assert.deepEqual(aliases.resolve({ name: 'io.containerd.runc.v2', options: options('crun') }), { name, options: options('crun') });
  const other = { name: 'io.containerd.kata.v2', options: undefined };
  assert.equal(aliases.resolve(other), other);
});

test('what is no alias is refused', () => {
  for (const pair of ['x', 'x=', '=y.z', 'a.b=c.d=e.f', 'a.b=plain']) assert.throws(() => parseAliases([pair]), pair);
  assert.throws(() => new RuntimeAliases({ 'a.b': 'plain' }), /invalid runtime name plain/);
});
