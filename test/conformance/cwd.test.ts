// The working directory of a process (config.md "Process": cwd).
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('it is made where the image lacks it', (laboratory) => {
  const result = laboratory.run('pwd; stat -c "%a %u" .', (spec) => {
    if (spec.process) spec.process.cwd = '/made/just/now';
  });
  assert.equal(result.stdout, '/made/just/now\n755 0\n', result.stderr);
});

conformance('one that only its user can enter', (laboratory) => {
  const id = laboratory.id();
  const bundle = laboratory.bundle('pwd', (spec) => {
    if (!spec.process) return;
    spec.process.cwd = '/home';
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.capabilities = {};
    spec.mounts?.push({ destination: '/home', type: 'tmpfs', source: 'tmpfs', options: ['mode=700', 'uid=1000', 'gid=1000'] });
  });
  assert.equal(laboratory.runtime(['run', '-b', bundle, id]).stdout, '/home\n');
});

conformance(
  'a relative one is refused',
  (laboratory) => {
    const result = laboratory.run('true', (spec) => {
      if (spec.process) spec.process.cwd = 'tmp';
    });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /[Cc]wd|cwd/);
  },
  { crun: 'crun takes it from the root' },
);

conformance('one that cannot be made is refused', (laboratory) => {
  const result = laboratory.run('true', (spec) => {
    if (spec.process) spec.process.cwd = '/proc/nothing/here';
  });
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, /no such file or directory/i);
});

conformance('a file is refused', (laboratory) => {
  const result = laboratory.run('true', (spec) => {
    if (spec.process) spec.process.cwd = '/etc/passwd';
  });
  assert.notEqual(result.code, 0);
});
