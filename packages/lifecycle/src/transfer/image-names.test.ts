import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryNames, wholeNames } from './image-names.ts';

const digest = `sha256:${'1'.repeat(64)}` as const;
const entry = (name?: string) => ({
  mediaType: '',
  digest,
  size: 1,
  ...(name === undefined ? {} : { annotations: { 'io.containerd.image.name': name } }),
});
const prefix = (name: string, more = {}) => ({
  name,
  isPrefix: true,
  allowOverwrite: false,
  addDigest: false,
  skipNamedDigest: false,
  ...more,
});

test('an entry is named by its annotation, within the prefixes', () => {
  for (const [annotation, reference, expected] of [
    ['docker.io/library/a:1', prefix('docker.io/library/a'), ['docker.io/library/a:1']],
    ['docker.io/library/ab:1', prefix('docker.io/library/a'), []],
    ['docker.io/library/ab:1', prefix('import', { allowOverwrite: true }), ['docker.io/library/ab:1']],
    ['1', prefix('docker.io/library/a'), ['docker.io/library/a:1']],
    [undefined, prefix('x', { addDigest: true }), [`x@${digest}`]],
    [undefined, prefix('x'), []],
    ['1', prefix('x', { addDigest: true }), ['x:1', `x@${digest}`]],
    ['1', prefix('x', { addDigest: true, skipNamedDigest: true }), ['x:1']],
    ['1', { ...prefix('x'), isPrefix: false }, []],
  ] as const)
    assert.deepEqual(entryNames({ extraReferences: [reference] }, entry(annotation)), expected, `${annotation} ${reference.name}`);
});

test('the whole is named by the name, and by references that are no prefixes', () => {
  const full = { ...prefix('b', { addDigest: true }), isPrefix: false };
  assert.deepEqual(wholeNames({ name: 'a', extraReferences: [prefix('p'), full] }, entry()), ['a', `b@${digest}`]);
  assert.deepEqual(wholeNames({ name: '', extraReferences: [] }, entry()), []);
});
