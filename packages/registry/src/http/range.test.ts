import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chunkRange, receivedRange, requestedRange } from './range.ts';

test('a range that can be served lies inside, and one of several is none', () => {
  const bound = fc.option(fc.nat(2000), { nil: undefined });
  fc.assert(
    fc.property(bound, bound, fc.nat(1000), (first, last, size) => {
      let range: ReturnType<typeof requestedRange>;
      try {
        range = requestedRange(`bytes=${first ?? ''}-${last ?? ''}`, size);
      } catch {
        assert.ok((first ?? 0) >= size || size === 0 || last === 0);
        return;
      }
      if (!range) return;
      assert.ok(range.start >= 0 && range.start <= range.end && range.end < size);
      if (first !== undefined) assert.equal(range.start, first);
      if (first === undefined && last !== undefined) assert.equal(range.end - range.start + 1, Math.min(last, size));
    }),
  );
  for (const header of [undefined, 'bytes=0-1,3-4', 'lines=1-2', 'bytes=5-2', 'bytes=-', 'x'])
    assert.equal(requestedRange(header, 10), undefined);
});

test('chunks say where they belong', () => {
  assert.deepEqual(chunkRange('0-9'), { start: 0, end: 9 });
  assert.deepEqual(chunkRange('bytes 5-9/10'), { start: 5, end: 9 });
  assert.equal(chunkRange(undefined), undefined);
  for (const header of ['9-0', '-5', '1-', 'a-b', '1-99999999999999999999'])
    assert.throws(() => chunkRange(header), /is not <start>-<end>/);
  assert.deepEqual([receivedRange(0), receivedRange(1), receivedRange(10)], ['0-0', '0-0', '0-9']);
});
