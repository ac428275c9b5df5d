import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';

test('challenges as registries send them', () => {
  assert.deepEqual(
    parseChallenges(['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"']),
    [
      {
        scheme: 'bearer',
        parameters: { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
      },
    ],
  );
  assert.deepEqual(parseChallenges(['Basic realm="a \\"quoted\\" realm"', 'Bearer realm=https://x/t']), [
    { scheme: 'basic', parameters: { realm: 'a "quoted" realm' } },
    { scheme: 'bearer', parameters: { realm: 'https://x/t' } },
  ]);
  assert.deepEqual(
    parseChallenges(['Negotiate, Basic realm="x", charset="UTF-8", Bearer realm="y"']).map((challenge) => challenge.scheme),
    ['negotiate', 'basic', 'bearer'],
  );
  assert.deepEqual(parseChallenges(['', '"']), []);
});
