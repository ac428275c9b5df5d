import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DetachKeys, parseDetachKeys } from './detach-keys.ts';

test('sequences', () => {
  assert.deepEqual([...parseDetachKeys('')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('ctrl-a,d')], [1, 100]);
  assert.throws(() => parseDetachKeys('ctrl-'), { message: 'Invalid detach keys (ctrl-) provided' });
});

test('typed bytes pass through, however they are cut, up to the sequence', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(16, 17, 97), { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (typed, size) => {
      const keys = new DetachKeys(parseDetachKeys(''));
      const text = Buffer.from(typed);
      const end = text.indexOf(Buffer.from([16, 17]));
      const passed: number[] = [];
      let detached = false;
      for (let at = 0; at < text.length && !detached; at += size) {
        const result = keys.filter(text.subarray(at, at + size));
        passed.push(...result.pass);
        detached = result.detached;
      }
      assert.equal(detached, end >= 0);
      const expected = end >= 0 ? typed.slice(0, end) : typed.at(-1) === 16 ? typed.slice(0, -1) : typed;
      assert.deepEqual(passed, expected);
    }),
  );
});
