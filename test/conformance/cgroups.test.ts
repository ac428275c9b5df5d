// Limits and the view of cgroups (config-linux.md "Control groups"), on hosts with controllers of cgroup v1.
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('limits of memory and processes hold', (laboratory) => {
  const result = laboratory.run(
    '(for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done) 2>&1; dd if=/dev/zero of=/dev/null bs=60M count=1 2>&1; echo dd $?',
    (spec) => {
      if (spec.linux) spec.linux.resources = { pids: { limit: 6 }, memory: { limit: 20 << 20 } };
    },
  );
  assert.match(result.stdout, /can't fork/);
  assert.match(result.stdout, /dd 137|Killed/);
});
conformance("the cgroup file system shows the container's own cgroups, read-only", (laboratory) => {
  const result = laboratory.run(
    'cat /sys/fs/cgroup/pids/cgroup.procs | grep -c .; cat /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/x 2>&1',
    (spec) => {
      if (spec.linux) spec.linux.resources = { pids: { limit: 23 } };
    },
  );
  assert.match(result.stdout, /^[12345]\n23\n.*(Read-only file system|Permission denied)/);
});

conformance(
  "without a cgroup namespace the container's own cgroups are bound",
  (laboratory) => {
    const result = laboratory.run(
      'cat /sys/fs/cgroup/pids/pids.max; cat /proc/self/cgroup | grep pids; touch /sys/fs/cgroup/x 2>&1',
      (spec) => {
        if (!spec.linux) return;
        spec.linux.resources = { pids: { limit: 24 } };
        spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'cgroup');
      },
    );
    assert.match(result.stdout, /^24\n\d+:pids:\/berth-runtime-.*\n.*(Read-only file system|Permission denied)/);
  },
  { crun: 'crun leaves the file system that holds the controllers writable' },
);
