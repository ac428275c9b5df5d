import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byLetters, pageOf } from './page.ts';

test('following the pages gives every item once, in order', () => {
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,4}$/);
  fc.assert(
    fc.property(fc.uniqueArray(tag, { maxLength: 40 }), fc.integer({ min: 1, max: 10 }), (tags, n) => {
      const seen: string[] = [];
      for (let last: string | undefined, more = true; more; last = seen.at(-1)) {
        const page = pageOf(tags, { n, last }, byLetters);
        seen.push(...page.items);
        more = page.more;
      }
      assert.deepEqual(seen, [...tags].sort(byLetters));
    }),
  );
});
