// Runs in the virtual machine, on an xfs with project quota at /m and an ext4 with one at /e: volumes with a size,
// and on xfs a container's own files.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import type { Config } from '@berth/daemon/config/config';
import { canLimit, checkStorageOptions, limitRootfs, releaseLimit } from '@berth/daemon/storage/rootfs-size';
import { LocalVolumes } from '@berth/daemon/volumes/local-volumes';
import type { VolumeRecord } from '@berth/daemon/volumes/volumes';
import { mount, umount } from '@berth/sys/mount';
import { enforcesProjects } from '@berth/sys/project-quota';

/** Mebibytes that fit before the kernel refuses. */
function fill(path: string): number {
  const fd = openSync(path, 'w');
  try {
    for (let written = 0; ; written++) {
      try {
        writeSync(fd, Buffer.alloc(1 << 20, 1));
      } catch (error) {
        assert.match((error as NodeJS.ErrnoException).code ?? '', /EDQUOT|ENOSPC/);
        return written;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** The same by a user who has no CAP_SYS_RESOURCE, which ext4 lets pass a limit. */
function fillAsUser(path: string): number {
  const script = `const buffer = Buffer.alloc(1 << 20, 1); const fd = require('fs').openSync(process.argv[1], 'w');
    for (let n = 0; ; n++) try { require('fs').writeSync(fd, buffer); } catch ({ errno }) { console.log(errno, n); break; }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script, path], { uid: 1000, gid: 1000, encoding: 'utf8' });
  // EDQUOT or ENOSPC.
  const [, written] = /^(?:-122|-28) (\d+)$/.exec(stdout.trim()) ?? [];
  assert.ok(written !== undefined, stdout + stderr);
  return Number(written);
}

assert.equal(enforcesProjects('/m'), true);
assert.equal(enforcesProjects('/e'), true);
assert.equal(enforcesProjects('/tmp'), false);

const volumes = new LocalVolumes('/m/volumes');
const record = (name: string, size: string): VolumeRecord => ({ name, createdAt: '', labels: null, options: { size }, anonymous: false });
const [one, two] = [record('one', '4M'), record('two', '7M')];
for (const each of [one, two]) each.limit = volumes.make(each);
assert.notDeepEqual(one.limit, two.limit);
assert.equal(volumes.needsMount(one), false);
assert.equal(fill(`${volumes.data('one')}/file`), 4);
assert.equal(fill(`${volumes.data('two')}/file`), 7);
volumes.delete(one);
console.log('volumes on xfs keep to their size');

const others = new LocalVolumes('/e/volumes');
const third = record('three', '5M');
third.limit = others.make(third);
assert.equal(others.needsMount(third), false);
chmodSync('/e/volumes/three', 0o755);
chownSync(others.data('three'), 1000, 1000);
// The directory's own block counts, and an indirect one.
assert.ok([4, 5].includes(fillAsUser(`${others.data('three')}/file`)));
others.delete(third);
console.log('volumes on ext4 keep to their size');

const config = { dataRoot: '/m', snapshotter: 'overlayfs', rootfsSize: undefined } as unknown as Config;
assert.equal(canLimit(config), true);
checkStorageOptions({ size: '1G' }, config);
assert.throws(() => checkStorageOptions({ size: '1G' }, { ...config, dataRoot: '/tmp' }), /supported only for overlay over xfs/);
assert.equal(canLimit({ ...config, dataRoot: '/e' }), false);
assert.throws(() => checkStorageOptions({ color: 'red' }, config), /Unknown option color/);
for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(`/m/${name}`);
writeFileSync('/m/lower/old', 'x'.repeat(1000));
const options = ['lowerdir=/m/lower', 'upperdir=/m/upper', 'workdir=/m/work'];
const project = limitRootfs([{ type: 'overlay', source: 'overlay', target: '', options }], { size: '5M' }, config);
assert.ok(project !== undefined);
mount('overlay', '/m/merged', 'overlay', 0, options.join(','));
// Copied up, renamed within, replaced: all of it goes through the work directory.
writeFileSync('/m/merged/old', 'changed');
renameSync('/m/merged/old', '/m/merged/new');
assert.ok([4, 5].includes(fill('/m/merged/file')));
umount('/m/merged');
for (const name of ['upper', 'work']) rmSync(`/m/${name}`, { recursive: true });
releaseLimit(project, config);
console.log('a root file system keeps to its size');
