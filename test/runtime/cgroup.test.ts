// Limits in force on real processes, in cgroups of this test's own, on whatever generation the host has.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, test } from 'node:test';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import type { Cgroup } from '@berth/runtime/cgroup/cgroup';
import { cgroupMode, hierarchies } from '@berth/runtime/cgroup/hierarchy';
import { watchOom } from '@berth/runtime/cgroup/oom-watch';
import { openCgroup } from '@berth/runtime/cgroup/open';
import { CgroupV2 } from '@berth/runtime/cgroup/v2';

const parent = `/berth-test-${randomBytes(4).toString('hex')}`;
const opened: Cgroup[] = [];
let count = 0;

after(() => {
  for (const cgroup of opened) {
    cgroup.kill();
    cgroup.remove();
  }
  for (const path of new Set(opened.flatMap((cgroup) => Object.values(cgroup.location.paths)))) removeIfThere(dirname(path));
});

function removeIfThere(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function fresh(resources: LinuxResources = {}): Cgroup {
  const id = String(count++);
  const cgroup = openCgroup({ id, cgroupsPath: `${parent}/${id}` });
  opened.push(cgroup);
  cgroup.create();
  cgroup.apply(resources, 'create');
  return cgroup;
}

/** A shell that runs `script` once it is in the cgroup. */
function run(cgroup: Cgroup, script: string): ChildProcess & { output: Promise<string> } {
  const child = spawn('sh', ['-c', `read go; ${script}`], { stdio: ['pipe', 'pipe', 'pipe'] });
  cgroup.join(child.pid ?? assert.fail('no shell'));
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.on('data', (chunk) => (text += chunk));
  child.stdin.end('go\n');
  return Object.assign(child, { output: once(child, 'close').then(() => text) });
}

/** What containers can be limited by here: ['cpu','memory',…]. */
const controllers = hierarchies().flatMap((hierarchy) => hierarchy.controllers.filter((name) => !name.startsWith('name=')));
const controller = (name: string) => ({ skip: controllers.includes(name) ? false : `this host has no ${name} controller` });

test('memory: what takes more than the limit is killed, and counted', controller('memory'), async () => {
  const cgroup = fresh({ memory: { limit: 32 << 20, swap: 32 << 20 } });
  const child = run(cgroup, 'exec tail /dev/zero');
  await child.output;
  assert.equal(child.signalCode, 'SIGKILL');
  assert.equal(cgroup.oomKills(), 1);
  assert.equal(cgroup.stats().memory?.limit, 32 << 20);
});

test('memory: a kill is told while others of the cgroup go on', controller('memory'), async () => {
  const cgroup = fresh({ memory: { limit: 32 << 20, swap: 32 << 20 } });
  const told = Promise.withResolvers<void>();
  using _ = watchOom(cgroup.location, () => told.resolve());
  const child = run(cgroup, 'tail /dev/zero; echo killed; read forever < /dev/zero');
  const keepWaiting = setInterval(() => {}, 1000);
  await told.promise;
  clearInterval(keepWaiting);
  for (let attempt = 0; cgroup.oomKills() === 0 && attempt < 100; attempt++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(cgroup.oomKills(), 1);
  assert.equal(child.exitCode ?? child.signalCode, null);
  cgroup.kill();
  await child.output;
});

test('memory: limits grow and shrink in one update', controller('memory'), () => {
  const cgroup = fresh({ memory: { limit: 32 << 20, swap: 64 << 20 } });
  cgroup.apply({ memory: { limit: 128 << 20, swap: 256 << 20 } }, 'update');
  assert.equal(cgroup.stats().memory?.limit, 128 << 20);
  cgroup.apply({ memory: { limit: 16 << 20, swap: 16 << 20 } }, 'update');
  assert.equal(cgroup.stats().memory?.limit, 16 << 20);
  assert.throws(() => cgroup.apply({ memory: { limit: 16 << 20, swap: 8 << 20 } }, 'update'), {
    name: 'EngineError',
    kind: 'InvalidArgument',
  });
});

test('pids: forks beyond the limit fail', controller('pids'), async () => {
  const cgroup = fresh({ pids: { limit: 4 } });
  const { output } = run(cgroup, 'for i in 1 2 3 4 5 6; do sleep 0.2 & done; wait');
  assert.match(await output, /fork|Resource temporarily unavailable/);
  assert.equal(cgroup.stats().pids?.limit, 4);
});

test('cpu: a busy loop gets its quota and no more', controller('cpu'), async () => {
  const cgroup = fresh({ cpu: { quota: 10_000, period: 100_000, shares: 256 } });
  const { output } = run(cgroup, 'timeout 1 sh -c "while :; do :; done"; true');
  await output;
  const { cpu } = cgroup.stats();
  assert.ok((cpu?.throttledPeriods ?? 0) > 3, `throttled ${cpu?.throttledPeriods} times`);
  assert.ok((cpu?.usageNs ?? 0) < 400_000_000, `used ${cpu?.usageNs} ns of one second`);
});

test('devices: a closed device answers EPERM, the usual ones work', async () => {
  const closed = fresh({ devices: [{ allow: false, access: 'rwm' }] });
  const { output } = run(closed, 'head -c1 /dev/zero | wc -c; head -c1 /dev/kmsg');
  const text = await output;
  assert.match(text, /^1$/m);
  assert.match(text, /kmsg.*Operation not permitted/);
  const open = fresh({
    devices: [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 11, access: 'r' },
    ],
  });
  assert.doesNotMatch(await run(open, 'head -c1 /dev/kmsg').output, /not permitted/);
});

test('freezer: nothing runs while frozen, and a frozen cgroup can be killed', async () => {
  const cgroup = fresh();
  const child = run(cgroup, 'while :; do echo tick; sleep 0.01; done');
  await once(child.stdout ?? assert.fail(), 'data');
  cgroup.freeze();
  assert.ok(cgroup.frozen());
  await new Promise((resolve) => setTimeout(resolve, 50));
  let ticks = 0;
  child.stdout?.on('data', () => ticks++);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(ticks, 0);
  cgroup.kill();
  await child.output;
  assert.equal(child.signalCode, 'SIGKILL');
  assert.ok(!cgroup.frozen());
});

test('kill reaches children of children; remove takes nested cgroups along', async () => {
  const cgroup = fresh();
  const child = run(cgroup, '(sleep 60 & sleep 60) & wait');
  while (cgroup.pids().length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  const nested = openCgroup({
    id: 'n',
    cgroupsPath: `${cgroup.location.relative[controllers[0] ?? ''] ?? cgroup.location.relative['']}/nested`,
  });
  nested.create();
  cgroup.kill();
  await child.output;
  cgroup.remove();
  assert.ok(!cgroup.exists() && !nested.exists());
  cgroup.remove();
});

test('a refused value names the value and the file', controller('cpu'), () => {
  assert.throws(() => fresh({ cpu: { quota: 1, period: 100_000 } }), /failed to write "1.*": write \/sys\/fs\/cgroup.*: invalid argument/);
});

test('v2: devices by a program, freezing and killing, on a hybrid host too', async (context) => {
  const hierarchy = hierarchies().find(({ version }) => version === 2);
  if (hierarchy === undefined) return context.skip('no cgroup v2 hierarchy is mounted');
  if (cgroupMode() === 'unified') return context.skip('the tests above have run on v2');
  const relative = `${parent}/v2`;
  const cgroup = new CgroupV2({ version: 2, relative: { '': relative }, paths: { '': hierarchy.mountpoint + relative } });
  opened.push(cgroup);
  cgroup.create();
  cgroup.apply({ devices: [{ allow: false, access: 'rwm' }] }, 'create');
  // A second application replaces the first program.
  cgroup.apply({ devices: [{ allow: false, access: 'rwm' }] }, 'create');
  assert.match(await run(cgroup, 'head -c1 /dev/zero | wc -c; head -c1 /dev/kmsg').output, /^1\n.*Operation not permitted/s);
  const child = run(cgroup, 'sleep 60');
  cgroup.freeze();
  assert.ok(cgroup.frozen());
  cgroup.kill();
  await child.output;
  assert.equal(child.signalCode, 'SIGKILL');
});
