// berth-runtime under podman and its conmon, which speak the OCI runtime command line in their own way.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { ROOT, run } from '../harness/programs.ts';
import { unless } from './peers.ts';
import { makeRootfs } from './rootfs.ts';

const CGROUPS = '/sys/fs/cgroup';
/** statfs(2). */
const CGROUP_MAGIC = 0x27e0eb;
const CGROUP2_MAGIC = 0x63677270;

test('podman run, exec, stop, logs and rm', { skip: unless('podman', 'conmon') }, async (t) => {
  const directory = mkdtempSync('/tmp/berth-podman-');
  const parent = basename(directory);
  t.after(() => cleanUp(directory, parent));
  const rootfs = await makeRootfs(join(directory, 'rootfs'));
  const roots = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run'), '--tmpdir', join(directory, 'tmp')];
  const settings = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', join(ROOT, 'bin/berth-runtime')];
  const podman = (...args: string[]) => run('podman', [...roots, ...settings, ...args], { timeout: 60_000 });
  // podman's own limits need a capability that root in a container of its own may lack.
  const limits = ['--ulimit', 'nofile=1024:2048', '--ulimit', 'nproc=1024:2048'];
  const flags = ['--network', 'none', '--cgroup-parent', `/${parent}`, ...limits];

  const first = await podman('run', '--rm', ...flags, '--rootfs', rootfs, '/bin/sh', '-c', 'echo out; echo err >&2; exit 7');
  assert.deepEqual([first.code, first.stdout, first.stderr], [7, 'out\n', 'err\n']);
  const missing = await podman('run', '--rm', ...flags, '--rootfs', rootfs, '/no-such-program');
  assert.equal(missing.code, 127, missing.stderr);
  const script = 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done';
  assert.equal((await podman('run', '-d', '--name', 'life', ...flags, '--rootfs', rootfs, '/bin/sh', '-c', script)).code, 0);
  const exec = await podman('exec', 'life', '/bin/sh', '-c', 'echo inside; exit 5');
  assert.deepEqual([exec.code, exec.stdout], [5, 'inside\n'], exec.stderr);
  assert.equal((await podman('pause', 'life')).code, 0);
  assert.equal((await podman('inspect', '-f', '{{.State.Status}}', 'life')).stdout, 'paused\n');
  assert.equal((await podman('unpause', 'life')).code, 0);
  assert.equal((await podman('stop', '-t', '5', 'life')).code, 0);
  assert.equal((await podman('logs', 'life')).stdout, 'up\nbye\n');
  assert.equal((await podman('rm', 'life')).code, 0);
});

async function cleanUp(directory: string, parent: string): Promise<void> {
  // Its storage keeps a bind mount of itself.
  await run('umount', ['-l', join(directory, 'root/overlay')]);
  rmSync(directory, { recursive: true, force: true });
  for (const controller of readdirSync(CGROUPS)) removeCgroup(join(CGROUPS, controller, parent));
  removeCgroup(join(CGROUPS, parent));
}

/** podman leaves the parents of its containers' cgroups behind. */
function removeCgroup(path: string): void {
  let entries: string[];
  try {
    entries = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return;
  }
  for (const name of entries) removeCgroup(join(path, name));
  // Where no hierarchy is mounted it was a plain directory, with plain files.
  if (isCgroup(path)) rmdirSync(path);
  else rmSync(path, { recursive: true });
}

function isCgroup(path: string): boolean {
  const { type } = statfsSync(path);
  return type === CGROUP_MAGIC || type === CGROUP2_MAGIC;
}
