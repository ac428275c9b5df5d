import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { deviceNumber, majorMinor } from './device-number.ts';

test('a number comes apart into what it was made of', () => {
  const half = fc.integer({ min: 0, max: 0xfffff });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xfff }), half, (major, minor) => {
      assert.deepEqual(majorMinor(Number(deviceNumber(major, minor))), { major, minor });
    }),
  );
});

test('the null device is 1, 3', () => {
  assert.deepEqual(majorMinor(statSync('/dev/null').rdev), { major: 1, minor: 3 });
});
