import assert from 'node:assert/strict';
import { test } from 'node:test';
import { marshal, unmarshal } from './marshal.ts';

test('the bytes of the specification’s examples of alignment', () => {
  assert.deepEqual([...marshal('ys', [7, 'foo'])], [7, 0, 0, 0, 3, 0, 0, 0, 102, 111, 111, 0]);
  // The gap before an array's first element is not part of its length.
  assert.deepEqual([...marshal('at', [[5n]])], [8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...marshal('v', [['b', true]])], [1, 98, 0, 0, 1, 0, 0, 0]);
});

test('what is written is read back', () => {
  const signature = 'ssa(sv)a(sa(sv))bux';
  const values = [
    'unit',
    'replace',
    [
      ['PIDs', ['au', [1, 2]]],
      ['Slice', ['s', 'ä.slice']],
      ['Mask', ['ay', [1, 255]]],
    ],
    [],
    true,
    7,
    -3n,
  ];
  assert.deepEqual(unmarshal(signature, marshal(signature, values)), values);
});

test('a type that is none is refused', () => {
  assert.deepEqual(unmarshal('a{sv}', marshal('a{sv}', [[['key', ['s', 'value']]]])), [[['key', ['s', 'value']]]]);
  assert.throws(() => marshal('z', [1]), /unknown type z/);
});
