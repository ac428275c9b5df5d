import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hierarchies, ownCgroups } from './hierarchy.ts';
import { cgroupMountPlan } from './mount-plan.ts';
import { openCgroup } from './open.ts';

const HYBRID = hierarchies(`
32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory
41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw
`);

test('an absolute path counts from the root, and cannot leave it', () => {
  const { paths } = openCgroup({ id: 'x', cgroupsPath: '/docker/../../../docker/x/', hierarchies: HYBRID }).location;
  assert.deepEqual(paths, {
    cpu: '/cg/cpu,cpuacct/docker/x',
    cpuacct: '/cg/cpu,cpuacct/docker/x',
    memory: '/cg/memory/docker/x',
    '': '/cg/unified/docker/x',
  });
  assert.throws(() => openCgroup({ id: 'x', cgroupsPath: '/../', hierarchies: HYBRID }), /names the root of the hierarchy/);
});

test('a relative path counts from the caller, no path is the id', () => {
  const own = ownCgroups().memory ?? '/';
  const { paths } = openCgroup({ id: 'x', cgroupsPath: '../../a/b', hierarchies: HYBRID }).location;
  assert.equal(paths.memory, `/cg/memory${own === '/' ? '' : own}/a/b`);
  assert.equal(openCgroup({ id: 'x', hierarchies: HYBRID }).location.paths.memory, '/cg/memory/x');
});

test('a unit of systemd lies in its slices', () => {
  const { location } = openCgroup({ id: 'x', driver: 'systemd', cgroupsPath: 'a-b.slice:docker:x', hierarchies: HYBRID });
  assert.equal(location.relative.memory, '/a.slice/a-b.slice/docker-x.scope');
  assert.deepEqual(location.unit, { name: 'docker-x.scope', slice: 'a-b.slice' });
  assert.equal(openCgroup({ id: 'x', driver: 'systemd', hierarchies: HYBRID }).location.relative.memory, '/system.slice/berth-x.scope');
  for (const cgroupsPath of ['/docker/x', 'a.slice:docker', 'a--b.slice:docker:x', 'a/b.slice:docker:x', 'a.slice:docker:../x'])
    assert.throws(() => openCgroup({ id: 'x', driver: 'systemd', cgroupsPath, hierarchies: HYBRID }), /slice|name a unit/);
});

test('a container sees one directory a hierarchy and a link for each controller that shares one', () => {
  const { location } = openCgroup({ id: 'x', cgroupsPath: '/x', hierarchies: HYBRID });
  assert.deepEqual(cgroupMountPlan(location, HYBRID, { cgroupNamespace: false }), [
    { kind: 'tmpfs', target: '' },
    { kind: 'bind', source: '/cg/cpu,cpuacct/x', target: 'cpu,cpuacct' },
    { kind: 'symlink', text: 'cpu,cpuacct', target: 'cpu' },
    { kind: 'symlink', text: 'cpu,cpuacct', target: 'cpuacct' },
    { kind: 'bind', source: '/cg/memory/x', target: 'memory' },
  ]);
  assert.deepEqual(cgroupMountPlan(location, HYBRID, { cgroupNamespace: true })[4], { kind: 'cgroup', target: 'memory', data: 'memory' });
});
