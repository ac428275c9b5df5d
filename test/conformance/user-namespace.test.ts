// User namespaces: id maps, what root inside may do, what is joined beside them, and further processes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Spec } from '@berth/oci/runtime-spec';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

const BASE = 300_000;

/** The bundle's root belongs to the user that becomes root inside. */
function mapped(laboratory: Laboratory, script: string, change: (spec: Spec) => void = () => {}): string {
  const bundle = laboratory.bundle(script, (spec) => {
    if (spec.linux) {
      spec.linux.namespaces?.push({ type: 'user' });
      spec.linux.uidMappings = [{ containerID: 0, hostID: BASE, size: 65536 }];
      spec.linux.gidMappings = [{ containerID: 0, hostID: BASE, size: 65536 }];
    }
    change(spec);
  });
  execFileSync('chown', ['-R', `${BASE}:${BASE}`, join(bundle, 'rootfs')]);
  for (const directory of [laboratory.directory, bundle]) chmodSync(directory, 0o755);
  return bundle;
}

conformance('root inside is somebody else outside', (laboratory) => {
  const bundle = mapped(
    laboratory,
    'id -u; cat /proc/self/uid_map; touch /tmp/mine; stat -c "%u %a %t:%T" /dev/null; echo x >/dev/null; hostname inside && hostname; ip -o link show lo | grep -c UP',
  );
  const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
  assert.equal(result.code, 0, result.stderr);
  const lines = result.stdout.trim().split('\n');
  assert.equal(lines[0], '0');
  assert.deepEqual(lines[1]?.trim().split(/\s+/), ['0', String(BASE), '65536']);
  assert.match(lines[2] ?? '', /666 1:3/);
  assert.equal(statSync(join(bundle, 'rootfs/tmp/mine')).uid, BASE);
});

conformance("every namespace is owned by the new user namespace, and the program's user is mapped", (laboratory) => {
  const bundle = mapped(laboratory, 'id -u; id -G; mount -t tmpfs x /tmp 2>&1', (spec) => {
    if (spec.process) spec.process.user = { uid: 1000, gid: 1000, additionalGids: [4] };
  });
  const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
  assert.match(result.stdout, /^1000\n1000 4\n.*(denied|permitted)/, result.stderr);
});

conformance('a network namespace of the host is joined beside a new user namespace', (laboratory) => {
  const path = `/proc/${laboratory.state(laboratory.background()).pid}/ns/net`;
  const bundle = mapped(laboratory, 'readlink /proc/self/ns/net', (spec) => {
    for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'network') namespace.path = path;
    // sysfs may be mounted only by whoever owns the network namespace.
    spec.mounts = spec.mounts?.filter(({ destination }) => !destination.startsWith('/sys'));
  });
  const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
  assert.equal(result.stdout.trim(), readlinkSync(path), result.stderr);
});

conformance('a further process joins the user namespace', (laboratory) => {
  const id = laboratory.id();
  assert.equal(laboratory.runtime(['run', '-d', '-b', mapped(laboratory, 'sleep 1000'), id]).code, 0);
  const { pid } = laboratory.state(id);
  const result = laboratory.runtime(['exec', id, 'sh', '-c', 'readlink /proc/self/ns/user; id -u; cat /proc/self/cgroup']);
  const [user, uid, ...cgroup] = result.stdout.trim().split('\n');
  assert.equal(user, readlinkSync(`/proc/${pid}/ns/user`), result.stderr);
  assert.equal(uid, '0');
  assert.ok(cgroup.length > 0);
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`Uid:\\s+${BASE}`));
});

conformance(
  'the user namespace of another container is joined by its path',
  (laboratory) => {
    const first = laboratory.id();
    laboratory.runtime(['run', '-d', '-b', mapped(laboratory, 'sleep 1000'), first]);
    const path = `/proc/${laboratory.state(first).pid}/ns/user`;
    const bundle = mapped(laboratory, 'readlink /proc/self/ns/user; id -u', (spec) => {
      for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === 'user') namespace.path = path;
      delete spec.linux?.uidMappings;
      delete spec.linux?.gidMappings;
    });
    const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
    assert.equal(result.stdout, `${readlinkSync(path)}\n0\n`, result.stderr);
  },
  { runc: 'runc 1.1 wants the maps of a namespace that it joins' },
);

conformance('a bind mount keeps the flags that its user namespace may not lift', (laboratory) => {
  const shared = join(laboratory.directory, 'shared');
  mkdirSync(shared, { mode: 0o755 });
  const bundle = mapped(laboratory, 'touch /shared/x 2>&1', (spec) =>
    spec.mounts?.push({ destination: '/shared', type: 'bind', source: shared, options: ['rbind', 'ro'] }),
  );
  assert.match(laboratory.runtime(['run', '-b', bundle, laboratory.id()]).stdout, /Read-only file system/);
});
