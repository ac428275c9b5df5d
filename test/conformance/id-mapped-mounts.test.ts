// Id-mapped mounts: one directory of the host, whose files have other owners in the container than on disk.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount, Spec } from '@berth/oci/runtime-spec';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance } from './suite.ts';

const UID_ON_DISK = 1234;
const MAP = (hostID: number) => [{ containerID: 0, hostID, size: 65536 }];

function shared(laboratory: Laboratory): string {
  const directory = join(laboratory.directory, 'shared');
  mkdirSync(directory);
  writeFileSync(join(directory, 'file'), 'x');
  chownSync(join(directory, 'file'), UID_ON_DISK, UID_ON_DISK);
  chmodSync(directory, 0o777);
  chmodSync(laboratory.directory, 0o755);
  return directory;
}

function withMount(source: string, mount: Partial<Mount>): (spec: Spec) => void {
  return (spec) => spec.mounts?.push({ destination: '/tmp/shared', type: 'bind', source, options: ['bind'], ...mount });
}

conformance(
  'owners are shifted both ways, without a user namespace of the container',
  (laboratory) => {
    const source = shared(laboratory);
    const result = laboratory.run(
      'stat -c %u /tmp/shared/file; touch /tmp/shared/new',
      withMount(source, {
        // On disk 0 to 65535 is 100000 to 165535 in the container.
        uidMappings: [{ containerID: 0, hostID: 100_000, size: 65536 }],
        gidMappings: [{ containerID: 0, hostID: 100_000, size: 65536 }],
      }),
    );
    assert.equal(result.stdout.trim(), String(100_000 + UID_ON_DISK), result.stderr);
    // The container's user 0 has no id on disk there.
    assert.match(result.stderr, /Value too large/);
  },
  { runc: 'runc 1.1 has no id-mapped mounts: they came with 1.2' },
);

conformance(
  'the maps of the container are taken where the mount has none',
  (laboratory) => {
    const source = shared(laboratory);
    const bundle = laboratory.bundle('stat -c %u /tmp/shared/file; touch /tmp/shared/new', (spec) => {
      if (spec.linux) {
        spec.linux.namespaces?.push({ type: 'user' });
        spec.linux.uidMappings = MAP(300_000);
        spec.linux.gidMappings = MAP(300_000);
      }
      withMount(source, { options: ['bind', 'idmap'] })(spec);
    });
    execFileSync('chown', ['-R', '300000:300000', join(bundle, 'rootfs')]);
    chmodSync(bundle, 0o755);
    const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
    assert.equal(result.stdout.trim(), String(UID_ON_DISK), result.stderr);
    assert.equal(statSync(join(source, 'new')).uid, 0);
  },
  { runc: 'runc 1.1 has no id-mapped mounts: they came with 1.2' },
);

conformance(
  'what cannot be is refused by name',
  (laboratory) => {
    const refused = (mount: Partial<Mount>) => laboratory.run('true', withMount('/tmp', mount)).stderr;
    assert.match(refused({ options: ['bind', 'idmap'] }), /uidMappings are needed/);
    assert.match(refused({ uidMappings: MAP(1000) }), /both be given/);
    assert.match(refused({ type: 'tmpfs', options: [], uidMappings: MAP(1000), gidMappings: MAP(1000) }), /only bind mounts/);
  },
  { runc: 'runc 1.1 has no id-mapped mounts: they came with 1.2', crun: 'crun words its errors in its own way' },
);
