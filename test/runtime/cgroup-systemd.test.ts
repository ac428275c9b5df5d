// The systemd cgroup driver, on a machine whose first process is systemd: containers of berth-runtime as its scopes, on both versions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInMachine, systemdMissing } from '../harness/virtual-machine.ts';

const missing = systemdMissing();
const ENTRY = fileURLToPath(new URL('../../packages/runtime/src/main.ts', import.meta.url));

/** Lines begin with a word that says what they show. */
const SCRIPT = `
mkdir -p /b/rootfs/bin /b/rootfs/proc /b/rootfs/sys /b/rootfs/dev
cp /bin/busybox /b/rootfs/bin/busybox
for name in sh cat sleep; do ln -s busybox /b/rootfs/bin/$name; done
cd /b
runtime="sealed /bin/node --v8-pool-size=0 --single-threaded /app/program.mjs --systemd-cgroup"
$runtime spec
sed -i 's/"terminal": true/"terminal": false/; s#"sh"#"sleep", "1000"#' config.json
sed -i 's#"resources": {#"cgroupsPath": "berth-test.slice:box:c", "resources": { "memory": {"limit": 67108864}, "pids": {"limit": 50}, "cpu": {"shares": 512, "quota": 20000, "period": 100000},#' config.json
sed -i 's#"ociVersion"#"annotations": {"org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.CollectMode": "'"'inactive-or-failed'"'"}, "ociVersion"#' config.json
# an initramfs cannot be pivoted away from
$runtime run --detach --no-pivot c < /dev/null > /log 2>&1 || { cat /log; exit 1; }
pid=$($runtime state c | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
sed 's/^/cgroup /' /proc/$pid/cgroup
scope=$(find /sys/fs/cgroup -name box-c.scope | grep -v 'unified\\|/systemd/' | head -1)
limit() { for file in "$@"; do find /sys/fs/cgroup -path "*box-c.scope/$file" | head -1 | xargs cat 2>/dev/null; done; }
sed 's/^/unit /' /run/systemd/transient/box-c.scope /run/systemd/transient/box-c.scope.d/* 2>/dev/null
echo "pids $(limit pids.max)"
echo "memory $(limit memory.max memory.limit_in_bytes)"
$runtime exec c cat /proc/self/cgroup | sed 's/^/exec /'
$runtime update --pids-limit 60 --memory 134217728 c
echo "updated $(limit pids.max) $(limit memory.max memory.limit_in_bytes)"
$runtime pause c; $runtime state c | grep -o '"status": "[a-z]*"'; $runtime resume c
$runtime run --no-pivot c < /dev/null 2>&1 | grep -o 'container with given ID already exists'
$runtime delete --force c
find /sys/fs/cgroup -name box-c.scope | wc -l | sed 's/^/left /'
# a program that ends by itself takes its scope with it
sed -i 's#"sleep",#"cat",#; s#"1000"#"/proc/self/cgroup"#; s#box:c#box:d#' config.json
$runtime run --no-pivot d < /dev/null | sed 's/^/run /'
find /sys/fs/cgroup -name box-d.scope | wc -l | sed 's/^/left /'
sed -i 's#berth-test.slice:box:d#/wrong#' config.json
$runtime run --no-pivot e < /dev/null 2>&1 | grep -o 'expected cgroupsPath to be of format .*systemd cgroups'
`;

for (const version of [2, 1] as const) {
  test(`containers are scopes of systemd on cgroup v${version}`, { skip: missing ?? false, timeout: 180_000 }, async () => {
    const output = await runInMachine(ENTRY, { systemd: version, script: SCRIPT });
    assert.match(output, /^cgroup .*:\/berth\.slice\/berth-test\.slice\/box-c\.scope$/m, output);
    assert.match(output, /^unit TimeoutStopSec=7s$/m, output);
    assert.match(output, /^unit CollectMode=inactive-or-failed$/m, output);
    assert.match(output, /^pids 50$/m, output);
    assert.match(output, /^memory 67108864$/m, output);
    assert.match(output, version === 2 ? /^exec 0::\/$/m : /^exec .*:pids:\//m, output);
    assert.match(output, /^updated 60 134217728$/m, output);
    assert.match(output, /^"status": "paused"$/m, output);
    assert.match(output, /^container with given ID already exists$/m, output);
    assert.match(output, /^run .*::?\//m, output);
    assert.deepEqual(
      [...output.matchAll(/^left (\d+)$/gm)].map(([, count]) => count),
      ['0', '0'],
      output,
    );
    assert.match(output, /expected cgroupsPath to be of format .*slice:prefix:name/, output);
  });
}
