import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Problem } from '../problem.ts';
import { parseRoute, type Route } from './route.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}` as const;

test('every endpoint is found, whatever its name looks like', () => {
  const expected: [string, Route][] = [
    ['/v2/', { kind: 'base' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/tags/list', { kind: 'tags', name: 'a' }],
    ['/v2/a/b/manifests/v1', { kind: 'manifest', name: 'a/b', reference: { tag: 'v1' } }],
    [`/v2/a/manifests/${DIGEST}`, { kind: 'manifest', name: 'a', reference: { digest: DIGEST } }],
    [`/v2/a/blobs/${DIGEST.replace(':', '%3A')}`, { kind: 'blob', name: 'a', digest: DIGEST }],
    ['/v2/manifests/manifests/manifests', { kind: 'manifest', name: 'manifests', reference: { tag: 'manifests' } }],
    ['/v2/a/tags/list/tags/list', { kind: 'tags', name: 'a/tags/list' }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', name: 'a' }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', name: 'a' }],
    ['/v2/a/blobs/uploads/x', { kind: 'upload', name: 'a', id: 'x' }],
    [`/v2/a/referrers/${DIGEST}`, { kind: 'referrers', name: 'a', digest: DIGEST }],
  ];
  for (const [path, route] of expected) assert.deepEqual(parseRoute(path), route, path);
  for (const path of ['/', '/v1/', '/v2x', '/v2/a', '/v2/a/manifests/', '/v2//tags/list/x'])
    assert.equal(parseRoute(path), undefined, path);
});

test('no path, however it is written, yields a name or reference that leaves the store', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '/',
    '%2e',
    '%2f',
    '%00',
    'a',
    '_x',
    'manifests',
    'tags/list',
    'blobs',
    'uploads',
    'A',
    '%',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      let route: Route | undefined;
      try {
        route = parseRoute(`/v2/${pieces.join('')}`);
      } catch (error) {
        assert.ok(error instanceof Problem && error.status === 400);
        return;
      }
      if (!route || !('name' in route)) return;
      assert.match(route.name, /^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$/);
      assert.ok(!route.name.split('/').some((part) => part.startsWith('.') || part.startsWith('_') || part === ''));
      if (route.kind === 'manifest' && 'tag' in route.reference) assert.match(route.reference.tag, /^\w[\w.-]{0,127}$/);
    }),
    { numRuns: 3000 },
  );
});
