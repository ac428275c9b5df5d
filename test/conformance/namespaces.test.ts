// Namespaces (config-linux.md "Namespaces"): new ones, those of the host, and those that are joined by their path.
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { conformance } from './suite.ts';

conformance("namespaces are new, and those that are not asked for are the host's", (laboratory) => {
  const script = 'for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; readlink /proc/self/ns/user';
  const lines = laboratory.run(script).stdout.trim().split('\n');
  const own = ['ipc', 'mnt', 'net', 'pid', 'uts', 'user'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
  for (let index = 0; index < 5; index++) assert.notEqual(lines[index], own[index]);
  assert.equal(lines[5], own[5]);
});

conformance('the program is pid 1, sees only itself, its host name and a loopback that is up', (laboratory) => {
  const result = laboratory.run('echo $$; hostname; ls -d /proc/[0-9]* | wc -l; ip -o link show lo', (spec) => {
    spec.hostname = 'harbour';
  });
  const [pid, name, count, link] = result.stdout.split('\n');
  assert.deepEqual([pid, name], ['1', 'harbour']);
  assert.ok(Number(count) <= 3, count);
  assert.match(link ?? '', /LOOPBACK,UP/);
});

conformance('a network namespace is joined by its path', (laboratory) => {
  const first = laboratory.background();
  const path = `/proc/${laboratory.state(first).pid}/ns/net`;
  const result = laboratory.run('readlink /proc/self/ns/net', (spec) => {
    for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'network') namespace.path = path;
  });
  assert.equal(result.stdout.trim(), readlinkSync(path));
});

conformance('a pid namespace is joined by its path', (laboratory) => {
  const path = `/proc/${laboratory.state(laboratory.background()).pid}/ns/pid`;
  const result = laboratory.run('readlink /proc/self/ns/pid; echo $$', (spec) => {
    for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'pid') namespace.path = path;
  });
  const [namespace, pid] = result.stdout.split('\n');
  assert.equal(namespace, readlinkSync(path));
  assert.notEqual(pid, '1');
});

for (const [type, name] of [
  ['ipc', 'ipc'],
  ['uts', 'uts'],
  ['cgroup', 'cgroup'],
] as const) {
  conformance(`a ${type} namespace is joined by its path`, (laboratory) => {
    const path = `/proc/${laboratory.state(laboratory.background()).pid}/ns/${name}`;
    const result = laboratory.run(`readlink /proc/self/ns/${name}`, (spec) => {
      for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === type) namespace.path = path;
      delete spec.hostname;
    });
    assert.equal(result.stdout.trim(), readlinkSync(path), result.stderr);
  });
}

conformance('a path that is no namespace, or one of another kind, is refused', (laboratory) => {
  const join = (path: string) =>
    laboratory.run('true', (spec) => {
      for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'network') namespace.path = path;
    });
  for (const path of ['/no/such/file', '/etc/passwd', '/proc/self/ns/uts']) assert.notEqual(join(path).code, 0, path);
});

conformance(
  'a kind that is named twice is refused',
  (laboratory) => {
    assert.notEqual(laboratory.run('true', (spec) => spec.linux?.namespaces?.push({ type: 'pid' })).code, 0);
  },
  { crun: 'crun takes the last one' },
);
