import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Filters } from './filters.ts';

test('both spellings of the values', () => {
  assert.deepEqual(Filters.parse('{"name":{"a":true,"b":true}}', ['name']).get('name'), ['a', 'b']);
  assert.deepEqual(Filters.parse('{"name":["a"]}', ['name']).get('name'), ['a']);
});

test('unknown keys and malformed values are refused with the key named', () => {
  assert.throws(() => Filters.parse('{"nope":{"a":true}}', ['name']), { message: "invalid filter 'nope'" });
  assert.throws(() => Filters.parse('{', ['name']), /^EngineError: invalid filter/);
  assert.throws(() => Filters.parse('{"name":3}', ['name']), /invalid filter 'name'/);
  assert.throws(() => Filters.parse('{"dangling":["maybe"]}', ['dangling']).boolean('dangling'), /invalid filter 'dangling=\[maybe\]'/);
});

test('labels must all hold, by name or by value', () => {
  const filters = Filters.parse('{"label":["a","b=2"]}', ['label']);
  assert.equal(filters.labels('label', { a: '', b: '2' }), true);
  assert.equal(filters.labels('label', { a: '', b: '3' }), false);
  assert.equal(filters.labels('label', null), false);
  assert.equal(new Filters().labels('label', null), true);
});
