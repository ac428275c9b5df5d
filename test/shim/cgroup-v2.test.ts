// What a shim tells of a container on a machine with cgroup v2: a kill for want of memory while it runs on, and its measurements.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

const missing = machineMissing();

const SCRIPT = `
mkdir -p /b/rootfs/bin /b/rootfs/proc /b/rootfs/dev
cp /bin/busybox /b/rootfs/bin/busybox
for name in sh tail sleep echo; do ln -s busybox /b/rootfs/bin/$name; done
node --v8-pool-size=0 --single-threaded --expose-gc /app/program.mjs
`;

test('a kill for want of memory and metrics on cgroup v2', { skip: missing ?? false, timeout: 180_000 }, async () => {
  const output = await runInMachine(fileURLToPath(new URL('cgroup-v2-probe.ts', import.meta.url)), { script: SCRIPT });
  const line = output.split('\n').find((each) => each.startsWith('{'));
  assert.ok(line, output);
  assert.deepEqual(JSON.parse(line), {
    topics: ['/tasks/create', '/tasks/start', '/tasks/oom', '/tasks/exit', '/tasks/delete'],
    running: true,
    out: 'survived\n',
    exitStatus: 137,
    type: 'io.containerd.cgroups.v2.Metrics',
    limit: 32 << 20,
    oomKills: 1,
    pids: 40,
    cpu: true,
  });
});
