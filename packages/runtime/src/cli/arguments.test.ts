import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlagSpec, numberOf, parseArguments, sizeOf, textOf } from './arguments.ts';

const FLAGS: Record<string, FlagSpec> = {
  bundle: { kind: 'value', short: 'b', help: '' },
  env: { kind: 'list', short: 'e', help: '' },
  detach: { kind: 'flag', short: 'd', help: '' },
};

test('values follow a space or an equals sign, dashes are one or two', () => {
  for (const words of [['--bundle', 'x'], ['--bundle=x'], ['-bundle', 'x'], ['-b', 'x'], ['-b=x']])
    assert.equal(textOf(parseArguments(words, FLAGS), 'bundle'), 'x');
  assert.equal(textOf(parseArguments(['--bundle=a=b'], FLAGS), 'bundle'), 'a=b');
});

test('flags end at the first word, or at two dashes', () => {
  const parsed = parseArguments(['-d', 'id', 'sh', '-c', 'x'], FLAGS);
  assert.deepEqual([[...parsed.flags], parsed.rest], [['detach'], ['id', 'sh', '-c', 'x']]);
  assert.deepEqual(parseArguments(['--', '-d'], FLAGS).rest, ['-d']);
});

test('where the verb says so, flags may follow', () => {
  const parsed = parseArguments(['id', '-d'], FLAGS, { permute: true });
  assert.deepEqual([[...parsed.flags], parsed.rest], [['detach'], ['id']]);
});

test('lists collect, booleans can be turned off, unknown flags are refused', () => {
  assert.deepEqual(parseArguments(['-e', 'A=1', '-e', 'B=2'], FLAGS).values.get('env'), ['A=1', 'B=2']);
  assert.equal(parseArguments(['--detach=false'], FLAGS).flags.size, 0);
  assert.throws(() => parseArguments(['--luck'], FLAGS), /flag provided but not defined: -luck/);
  assert.throws(() => parseArguments(['--bundle'], FLAGS), /flag needs an argument: -bundle/);
  assert.throws(() => numberOf(parseArguments(['-b', 'x'], FLAGS), 'bundle'), /must be a whole number/);
});

test('sizes have units of 1024', () => {
  const size = (text: string) => sizeOf(parseArguments(['--bundle', text], FLAGS), 'bundle');
  assert.deepEqual(['50M', '1.5k', '2gib', '7', '-1'].map(size), [50 << 20, 1536, 2 * 1024 ** 3, 7, -1]);
  assert.throws(() => size('many'), /invalid size: 'many'/);
});
