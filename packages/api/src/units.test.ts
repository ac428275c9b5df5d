import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binarySize, humanDuration, humanSize, parseDuration, parseSize } from './units.ts';

test('sizes are written as docker writes them', () => {
  for (const [bytes, text] of [
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1_234_567, '1.23MB'],
    [77_800_000, '77.8MB'],
    [1_500_000_000, '1.5GB'],
  ] as const) {
    assert.equal(humanSize(bytes), text);
  }
  assert.equal(humanSize(1_234_567, 4), '1.235MB');
  assert.equal(humanSize(12_345_678_901, 4), '12.35GB');
  assert.equal(binarySize(64 * 1024 * 1024), '64MiB');
  assert.equal(binarySize(1536), '1.5KiB');
});

test('ages are written in words', () => {
  for (const [seconds, text] of [
    [0.2, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [61, 'About a minute'],
    [3600, 'About an hour'],
    [7200, '2 hours'],
    [86_400 * 3, '3 days'],
    [86_400 * 21, '3 weeks'],
    [86_400 * 400, '13 months'],
  ] as const) {
    assert.equal(humanDuration(seconds), text);
  }
});

test('sizes and durations are read as docker reads them', () => {
  assert.equal(parseSize('64m'), 64 * 1024 * 1024);
  assert.equal(parseSize('1.5GiB'), 1.5 * 1024 ** 3);
  assert.equal(parseSize('100'), 100);
  assert.equal(parseSize('abc'), undefined);
  assert.equal(parseDuration('1m30s'), 90e9);
  assert.equal(parseDuration('500ms'), 5e8);
  assert.equal(parseDuration('10'), undefined);
});
