// The six kinds of hooks: when they run, where, with what on standard input, and what their failure does.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Hook, HookKind, Spec } from '@berth/oci/runtime-spec';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

const shell = (script: string, timeout?: number): Hook => ({
  path: '/bin/sh',
  args: ['sh', '-c', script],
  env: ['PATH=/bin:/usr/bin'],
  ...(timeout ? { timeout } : {}),
});

function hook(spec: Spec, kind: HookKind, value: Hook): void {
  spec.hooks = { ...spec.hooks, [kind]: [...(spec.hooks?.[kind] ?? []), value] };
}

conformance(
  'all kinds run in order, each with the state of its moment',
  async (laboratory) => {
    const log = join(laboratory.directory, 'log');
    const bundle = laboratory.bundle('echo program >>/out/log; exec sleep 1000', (spec) => {
      spec.mounts?.push({ destination: '/out', type: 'bind', source: laboratory.directory, options: ['bind'] });
      const say = (kind: string, file: string) => shell(`sed -e 's/.*"status":"\\([a-z]*\\)".*/${kind} \\1/' >>${file}; echo >>${file}`);
      for (const kind of ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'] as const)
        hook(spec, kind, say(kind, log));
      hook(spec, 'startContainer', say('startContainer', '/out/log'));
    });
    const id = laboratory.id();
    const lines = () => readFileSync(log, 'utf8').split('\n').filter(Boolean);
    laboratory.runtime(['create', '-b', bundle, id]);
    assert.deepEqual(lines(), ['prestart creating', 'createRuntime creating', 'createContainer creating']);
    laboratory.runtime(['start', id]);
    await eventually(() => lines().length === 6);
    assert.deepEqual(lines().slice(3).sort(), ['poststart running', 'program', 'startContainer created']);
    laboratory.runtime(['delete', '--force', id]);
    assert.equal(lines().at(-1), 'poststop stopped');
  },
  { runc: 'runc 1.1 runs poststart hooks at the end of create', crun: 'crun gives hooks the status created before it is' },
);

conformance('hooks run in the namespaces that the specification says', (laboratory) => {
  const file = join(laboratory.directory, 'ns');
  const own = (name: string) => shell(`readlink /proc/self/ns/net >${file}.${name}`);
  laboratory.run('true', (spec) => {
    hook(spec, 'createRuntime', own('runtime'));
    hook(spec, 'createContainer', own('container'));
  });
  assert.equal(readFileSync(`${file}.runtime`, 'utf8'), `${readlinkSync('/proc/self/ns/net')}\n`);
  assert.notEqual(readFileSync(`${file}.container`, 'utf8'), readFileSync(`${file}.runtime`, 'utf8'));
});

conformance(
  'a hook before the start that fails, or takes too long, ends the container',
  (laboratory) => {
    for (const kind of ['prestart', 'createRuntime', 'createContainer'] as const) {
      const id = laboratory.id();
      const bundle = laboratory.bundle('true', (spec) => hook(spec, kind, shell('echo reef >&2; exit 3')));
      const result = laboratory.runtime(['create', '-b', bundle, id]);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /error running .*hook #0.*exit status 3/);
      assert.match(result.stderr, /reef/);
      assert.equal(existsSync(join(laboratory.root, id)), false);
    }
    const slow = laboratory.run('true', (spec) => hook(spec, 'createRuntime', shell('exec sleep 30', 1)));
    assert.match(slow.stderr, /hook ran past specified timeout of 1(\.0)?s/);
  },
  { crun: 'crun words its errors in its own way' },
);

conformance(
  'a poststart hook that fails stops the container; one of poststop is only told of',
  async (laboratory) => {
    const id = laboratory.id();
    const bundle = laboratory.bundle('sleep 1000', (spec) => {
      hook(spec, 'poststart', shell('echo reef >&2; exit 3'));
      hook(spec, 'poststop', shell('exit 4'));
    });
    assert.equal(laboratory.runtime(['create', '-b', bundle, id]).code, 0);
    const result = laboratory.runtime(['start', id]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /error running hook #0 of poststart: exit status 3.*reef/);
    await eventually(() => laboratory.state(id).status === 'stopped');
    assert.equal(laboratory.runtime(['delete', id]).code, 0);
  },
  { runc: 'runc 1.1 runs poststart hooks at the end of create', crun: 'crun only tells of poststart hooks that fail' },
);

conformance('a hook may write as much as it likes', (laboratory) => {
  const result = laboratory.run('echo done', (spec) =>
    hook(spec, 'createRuntime', shell('i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done')),
  );
  assert.equal(result.stdout, 'done\n');
});
