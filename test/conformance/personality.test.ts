// The execution domain (config-linux.md "Personality").
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance(
  'LINUX32 is seen by uname',
  (laboratory) => {
    const result = laboratory.run('uname -m; cat /proc/self/personality', (spec) => {
      if (spec.linux) spec.linux.personality = { domain: 'LINUX32' };
    });
    assert.match(result.stdout, /^(i686|armv8l|armv7l)\n0*8\n$/, result.stderr);
  },
  { runc: 'runc 1.1 does not know the field: it came with 1.2' },
);

conformance('LINUX is the default', (laboratory) => {
  assert.equal(laboratory.run('cat /proc/self/personality').stdout, '00000000\n');
});
