// The cgroup tests once more, on a machine with cgroup v2 and all of its controllers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { machineMissing, runInMachine } from '../harness/virtual-machine.ts';

const missing = machineMissing();

test('limits, freezer, devices and kill on cgroup v2', { skip: missing ?? false, timeout: 180_000 }, async (context) => {
  const output = await runInMachine(fileURLToPath(new URL('cgroup.test.ts', import.meta.url)));
  for (const line of output.split('\n').filter((each) => /^(✔|✖|﹣|not ok|ok)/.test(each))) context.diagnostic(line);
  assert.doesNotMatch(output, /^✖/m);
  assert.match(output, /✔ memory: what takes more than the limit is killed/);
});

const CONTAINER = `
mkdir -p /b/rootfs/bin /b/rootfs/proc /b/rootfs/sys /b/rootfs/dev
cp /bin/busybox /b/rootfs/bin/busybox
for name in sh cat; do ln -s busybox /b/rootfs/bin/$name; done
cd /b
runtime="sealed /bin/node --v8-pool-size=0 --single-threaded /app/program.mjs"
$runtime spec
sed -i 's/"terminal": true/"terminal": false/; s#"sh"#"sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.weight"#' config.json
sed -i 's#"resources": {#"cgroupsPath": "/berth/c", "resources": { "memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 50}, "cpu": {"shares": 512},#' config.json
# an initramfs cannot be pivoted away from
$runtime run --no-pivot c < /dev/null || true
test ! -d /sys/fs/cgroup/berth/c && echo removed
`;

test('a container of berth-runtime on cgroup v2', { skip: missing ?? false, timeout: 180_000 }, async () => {
  const entry = fileURLToPath(new URL('../../packages/runtime/src/main.ts', import.meta.url));
  const output = await runInMachine(entry, { script: CONTAINER });
  assert.match(output, /^0::\/\n67108864\n50\n\d+\n/m);
  assert.match(output, /^removed$/m);
});
