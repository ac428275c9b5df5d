// The umask of a process (config.md "User"): its own, and the default.
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('the umask is what is asked for', (laboratory) => {
  const result = laboratory.run('umask; touch /tmp/f; stat -c %a /tmp/f', (spec) => {
    if (spec.process) spec.process.user = { uid: 0, gid: 0, umask: 0o027 };
  });
  assert.equal(result.stdout, '0027\n640\n', result.stderr);
});

conformance('without one it is 0022', (laboratory) => {
  assert.equal(laboratory.run('umask').stdout, '0022\n');
});
