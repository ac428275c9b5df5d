// The state of a container (runtime.md "State") as `state` prints it and hooks get it, and `spec` and `features`, which describe the rest.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../harness/eventually.ts';
import { conformance } from './suite.ts';

conformance('every field of the specification', async (laboratory) => {
  const annotations = { 'org.example.cargo': 'rum', empty: '' };
  const id = laboratory.background((spec) => Object.assign(spec, { annotations }));
  const state = laboratory.state(id);
  assert.match(state.ociVersion, /^1\.\d+\.\d+/);
  assert.deepEqual([state.id, state.status, state.annotations], [id, 'running', annotations]);
  assert.match(state.bundle, /^\//);
  // runc's run ends before its init has become the program.
  await eventually(() => readFileSync(`/proc/${state.pid}/comm`, 'utf8') === 'sleep\n', 'the program of the process that state names');
});

conformance(
  'hooks get the same',
  (laboratory) => {
    const file = join(laboratory.directory, 'state.json');
    const id = laboratory.background((spec) => {
      spec.annotations = { a: 'b' };
      spec.hooks = { poststart: [{ path: '/bin/sh', args: ['sh', '-c', `cat >${file}`] }] };
    });
    const seen = JSON.parse(readFileSync(file, 'utf8'));
    const { pid, bundle } = laboratory.state(id);
    assert.deepEqual([seen.id, seen.status, seen.pid, seen.bundle, seen.annotations], [id, 'running', pid, bundle, { a: 'b' }]);
  },
  { runc: 'runc 1.1 runs poststart hooks at the end of create' },
);

conformance('a created container knows its process, which is not the program yet', (laboratory) => {
  const id = laboratory.id();
  laboratory.runtime(['create', '-b', laboratory.bundle('echo x >/tmp/ran'), id]);
  const { status, pid } = laboratory.state(id);
  assert.equal(status, 'created');
  assert.ok(pid > 0);
  assert.throws(() => readFileSync(join(laboratory.rootfs(id), 'tmp/ran')));
});

conformance('`spec` writes a configuration that runs, and never over another', (laboratory) => {
  const bundle = laboratory.bundle('true');
  const empty = join(laboratory.directory, 'empty');
  mkdirSync(empty);
  assert.equal(laboratory.runtime(['spec'], { cwd: empty }).code, 0);
  const spec = JSON.parse(readFileSync(join(empty, 'config.json'), 'utf8'));
  Object.assign(spec.process, { terminal: false, args: ['echo', 'it runs'] });
  spec.root.path = join(bundle, 'rootfs');
  writeFileSync(join(empty, 'config.json'), JSON.stringify(spec));
  assert.equal(laboratory.runtime(['run', '-b', empty, laboratory.id()]).stdout, 'it runs\n');
  assert.notEqual(laboratory.runtime(['spec'], { cwd: empty }).code, 0);
});

conformance(
  '`features` is what features.md asks for',
  (laboratory) => {
    const features = JSON.parse(laboratory.runtime(['features']).stdout);
    assert.match(features.ociVersionMin, /^1\./);
    assert.ok(features.hooks.includes('createContainer'));
    assert.ok(features.mountOptions.includes('rro'));
    for (const type of ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts']) assert.ok(features.linux.namespaces.includes(type));
    assert.equal(features.linux.seccomp.enabled, true);
  },
  { crun: 'crun before 1.10 has no features' },
);
