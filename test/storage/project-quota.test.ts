// Project quota on a machine whose kernel has it: this one's may lack it, and changes nothing of its own disks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program } from '../harness/programs.ts';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

const unpacked = program('mkfs.xfs');
const MKFS = unpacked.startsWith('/') ? unpacked : spawnSync('sh', ['-c', 'command -v mkfs.xfs'], { encoding: 'utf8' }).stdout.trim();
const noMkfs = MKFS === '' ? 'no mkfs.xfs to make a disk with quota (apt-get install xfsprogs)' : undefined;
const missing = machineMissing() ?? noMkfs;

const SCRIPT = `
mkdir -p /m
truncate -s 400M /tmp/disk
/programs/mkfs.xfs -q /tmp/disk
mount -o loop,prjquota -t xfs /tmp/disk /m
node /app/program.mjs
`;

test('volumes and root file systems keep to their size by project quota', { skip: missing ?? false, timeout: 180_000 }, async () => {
  const entry = fileURLToPath(new URL('project-quota-probe.ts', import.meta.url));
  const output = await runInMachine(entry, {
    script: SCRIPT,
    programs: [MKFS],
    modules: ['loop', 'libcrc32c', 'xfs', 'overlay'],
    memory: 1536,
  });
  assert.match(output, /^volumes keep to their size$/m);
  assert.match(output, /^a root file system keeps to its size$/m);
});
