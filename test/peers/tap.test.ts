import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTap } from './tap.ts';

test('passed, failed with its diagnosis, skipped with its reason', () => {
  const text = '1..3\r\nok 1 a\r\nnot ok 2 b [c]\r\n# (in test file x.bats)\r\n#   false\r\nok 3 d # skip test requires systemd\r\n';
  assert.deepEqual(parseTap(text), [
    { name: 'a', outcome: 'passed', detail: '' },
    { name: 'b [c]', outcome: 'failed', detail: '# (in test file x.bats)\n#   false\n' },
    { name: 'd', outcome: 'skipped', detail: 'test requires systemd' },
  ]);
});
