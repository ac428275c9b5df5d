import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTime, nowNanoseconds, parseTime, parseTimestamp } from './clock.ts';

test('what is formatted is parsed back, to the nanosecond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 4_000_000_000_000_000_000n }), (moment) => {
      assert.equal(parseTime(formatTime(moment)), moment);
    }),
  );
});

test('time does not stand still', () => {
  const first = nowNanoseconds();
  assert.ok(nowNanoseconds() > first);
});

test('timestamps of the API', () => {
  assert.equal(parseTimestamp('1.5'), 1_500_000_000n);
  assert.equal(parseTimestamp('1136073600.000000001'), 1_136_073_600_000_000_001n);
  assert.equal(parseTimestamp('0'), undefined);
  assert.equal(parseTimestamp('2006-01-02T15:04:05+01:00'), BigInt(Date.UTC(2006, 0, 2, 14, 4, 5)) * 1_000_000n);
});
