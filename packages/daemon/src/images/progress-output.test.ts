import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesMessage } from './progress-output.ts';

test('sizes and bars as docker prints them', () => {
  assert.equal(bytesMessage('id', 'Downloading', 500, 1000).progress, `[${'='.repeat(25)}>${' '.repeat(25)}]     500B/1kB`);
  assert.equal(bytesMessage('id', 'Downloading', 1000, 1000).progress, `[${'='.repeat(50)}>]      1kB/1kB`);
  assert.equal(bytesMessage('id', 'Extracting', 2000, 1000).progress, '     2kB');
});
