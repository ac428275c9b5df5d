import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { unpack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Container } from '../container.ts';
import { runtimeOf } from './runtime.ts';

function choose(runtime: string, foreign: boolean) {
  const container = { record: { hostConfig: { Runtime: runtime } } } as unknown as Container;
  const config = { defaultRuntime: 'berth', runtimes: { crun: '/usr/bin/crun', kata: 'io.containerd.kata.v2' } };
  return runtimeOf({ config, lifecycle: { foreign } } as unknown as Parameters<typeof runtimeOf>[0], container);
}

test("above Berth's service every OCI runtime runs under Berth's shim", () => {
  for (const name of ['berth', 'runc']) assert.deepEqual(choose(name, false), { name: 'io.containerd.berth.v1', attaches: true });
  const crun = choose('crun', false);
  assert.deepEqual(
    [crun.name, crun.attaches, crun.options && unpack(Options, crun.options).binaryName],
    ['io.containerd.berth.v1', true, '/usr/bin/crun'],
  );
});

test("above containerd runc has containerd's shim, and Berth's is named by its path", () => {
  assert.deepEqual(choose('runc', true), { name: 'io.containerd.runc.v2', attaches: false });
  const crun = choose('/usr/bin/crun', true);
  assert.deepEqual(
    [crun.name, crun.attaches, crun.options && unpack(Options, crun.options).binaryName],
    ['io.containerd.runc.v2', false, '/usr/bin/crun'],
  );
  const berth = choose('berth', true);
  assert.ok(berth.attaches && berth.name.startsWith('/') && existsSync(berth.name), berth.name);
});

test('a shim may be named itself; what is unknown is refused', () => {
  assert.deepEqual(choose('io.containerd.runc.v2', false), { name: 'io.containerd.runc.v2', attaches: false });
  assert.deepEqual(choose('kata', false), { name: 'io.containerd.kata.v2', attaches: false });
  assert.deepEqual(choose('io.containerd.berth.v1', false), { name: 'io.containerd.berth.v1', attaches: true });
  assert.throws(() => choose('nothing', false), /unknown or invalid runtime name: nothing/);
});
