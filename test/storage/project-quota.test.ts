// Project quota on a machine whose kernel has it: this one's may lack it, and changes nothing of its own disks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program } from '../harness/programs.ts';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

const PROGRAMS = ['mkfs.xfs', 'mkfs.ext4'].map((name) => {
  const unpacked = program(name);
  return unpacked.startsWith('/') ? unpacked : spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
});
const noPrograms = PROGRAMS.includes('')
  ? 'no mkfs.xfs or mkfs.ext4 to make disks with quota (apt-get install xfsprogs e2fsprogs)'
  : undefined;
const missing = machineMissing() ?? noPrograms;

const SCRIPT = `
mkdir -p /m /e
truncate -s 400M /tmp/disk
/programs/mkfs.xfs -q /tmp/disk
mount -o loop,prjquota -t xfs /tmp/disk /m
truncate -s 200M /tmp/other
/programs/mkfs.ext4 -q -O project,quota /tmp/other
mount -o loop,prjquota -t ext4 /tmp/other /e
node /app/program.mjs
`;

test('volumes and root file systems keep to their size by project quota', { skip: missing ?? false, timeout: 180_000 }, async () => {
  const entry = fileURLToPath(new URL('project-quota-probe.ts', import.meta.url));
  const output = await runInMachine(entry, {
    script: SCRIPT,
    programs: PROGRAMS,
    modules: ['loop', 'libcrc32c', 'xfs', 'quota_tree', 'quota_v2', 'overlay'],
    memory: 1536,
  });
  assert.match(output, /^volumes on xfs keep to their size$/m);
  assert.match(output, /^volumes on ext4 keep to their size$/m);
  assert.match(output, /^a root file system keeps to its size$/m);
});
