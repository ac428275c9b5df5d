import assert from 'node:assert/strict';
import { test } from 'node:test';
import { psColumns } from './ps-columns.ts';

const titles = (options: string) =>
  psColumns(options)
    .map(({ title }) => title)
    .join(' ');

test("ps's usual options give its columns", () => {
  for (const options of ['', '-ef', '-e -f']) assert.equal(titles(options), 'UID PID PPID C STIME TTY TIME CMD', options);
  for (const options of ['aux', '-aux', 'axu']) {
    assert.equal(titles(options), 'USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND', options);
  }
  for (const options of ['-e', 'ax', '-A']) assert.equal(titles(options), 'PID TTY TIME CMD', options);
});

test('columns by name', () => {
  for (const options of ['-o pid,comm', '-eo pid,comm', 'o pid,comm', '-opid,comm', '-o pid -o comm'])
    assert.equal(titles(options), 'PID COMMAND', options);
  assert.equal(titles('-o pid,rss=Memory'), 'PID Memory');
});

test('what is not known is refused, not passed over', () => {
  assert.throws(() => psColumns('--forest'), /"--forest" is not known/);
  assert.throws(() => psColumns('-o pid,nosuch'), /"nosuch" is not known/);
  assert.throws(() => psColumns('-o'), /not known/);
  assert.throws(() => psColumns('-o comm'), /Couldn't find PID field/);
});
