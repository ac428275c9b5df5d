// Masked and read-only paths (config-linux.md "Masked Paths", "Readonly Paths").
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('masked paths show nothing, read-only ones take nothing', (laboratory) => {
  const result = laboratory.run(
    'cat /proc/keys | wc -c; ls /sys/firmware | wc -l; cat /secret; echo 1 >/proc/sys/kernel/domainname',
    (spec) => {
      if (!spec.linux) return;
      spec.linux.maskedPaths = ['/proc/keys', '/sys/firmware', '/secret', '/not/there'];
      spec.mounts?.push({ destination: '/secret', type: 'bind', source: '/etc/hostname', options: ['bind'] });
    },
  );
  assert.equal(result.stdout, '0\n0\n');
  assert.match(result.stderr, /Read-only file system/);
});
