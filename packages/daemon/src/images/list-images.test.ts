import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesReference, momentOf } from './list-images.ts';

test('reference patterns match names and repositories as Go does', () => {
  for (const [pattern, name, matches] of [
    ['busybox', 'busybox:1', true],
    ['busybox:1', 'busybox:1', true],
    ['busybox:*', 'busybox:1', true],
    ['busy*', 'busybox:1', true],
    ['*', 'team/app:1', false],
    ['*/*', 'team/app:1', true],
    ['localhost:5000/*', 'localhost:5000/app:1', true],
    ['b?sybox:[0-9]', 'busybox:7', true],
    ['busybox.', 'busybox:1', false],
    ['team/app@sha256:*', 'team/app@sha256:abc', true],
  ] as const) {
    assert.equal(matchesReference(pattern, name), matches, `${pattern} ${name}`);
  }
  assert.throws(() => matchesReference('[z-a]', 'x'), { kind: 'InvalidArgument' });
});

test('moments are Unix times, RFC 3339 times or durations before now', () => {
  assert.equal(momentOf('1700000000'), 1_700_000_000_000);
  assert.equal(momentOf('2026-01-02T03:04:05Z'), Date.UTC(2026, 0, 2, 3, 4, 5));
  const hour = Date.now() - momentOf('1h30m');
  assert.ok(Math.abs(hour - 5_400_000) < 1000);
  assert.throws(() => momentOf('soon'), { kind: 'InvalidArgument' });
});
