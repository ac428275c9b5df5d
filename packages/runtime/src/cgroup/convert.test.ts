import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cpuWeight, ioWeight, limitText, swapLimit } from './convert.ts';

test('the ends and the defaults of both generations meet', () => {
  assert.equal(cpuWeight(2), 1);
  assert.equal(cpuWeight(1024), 100);
  assert.equal(cpuWeight(262144), 10000);
  assert.equal(ioWeight(10), 1);
  assert.equal(ioWeight(1000), 10000);
  assert.equal(limitText(-1), 'max');
});

test('a weight is in range and grows with the shares', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400000 }), fc.integer({ min: 0, max: 400000 }), (one, other) => {
      const [low, high] = [cpuWeight(Math.min(one, other)), cpuWeight(Math.max(one, other))];
      return low >= 1 && high <= 10000 && low <= high;
    }),
  );
});

test('swap alone is what memory+swap leaves above memory', () => {
  assert.equal(swapLimit(100, 0), undefined);
  assert.equal(swapLimit(-1, 0), -1);
  assert.equal(swapLimit(100, -1), -1);
  assert.equal(swapLimit(100, 100), 0);
  assert.equal(swapLimit(100, 300), 200);
  assert.throws(() => swapLimit(0, 300), /without memory limit/);
  assert.throws(() => swapLimit(300, 100), /memory\+swap limit should be >= memory limit/);
});
