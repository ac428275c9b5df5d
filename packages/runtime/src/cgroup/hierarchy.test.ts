import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupMode, hierarchies } from './hierarchy.ts';

const V1 = `
25 30 0:23 / /proc rw - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/x /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
99 31 0:32 / /elsewhere rw - cgroup cgroup rw,memory
`;

test('reads controllers, roots and escaped mount points; the first mount of a hierarchy counts', () => {
  const found = hierarchies(V1);
  assert.deepEqual(found, [
    { version: 1, mountpoint: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct'], root: '/' },
    { version: 1, mountpoint: '/sys/fs/cgroup/mem ory', controllers: ['memory'], root: '/docker/x' },
    { version: 1, mountpoint: '/sys/fs/cgroup/systemd', controllers: ['name=systemd'], root: '/' },
  ]);
  assert.equal(cgroupMode(found), 'legacy');
});

test('tells the layouts apart', () => {
  const v2 = '41 31 0:38 / /nowhere/unified rw - cgroup2 cgroup2 rw\n';
  assert.equal(cgroupMode(hierarchies(V1 + v2)), 'hybrid');
  assert.equal(cgroupMode(hierarchies(v2)), 'unified');
  assert.equal(cgroupMode(hierarchies(`36 31 0:33 / /s rw - cgroup cgroup rw,name=systemd\n${v2}`)), 'unified');
  assert.equal(cgroupMode(hierarchies('')), 'none');
});
