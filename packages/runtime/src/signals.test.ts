import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalNumber } from './signals.ts';

test('signals have names, with or without SIG, in any case, and numbers', () => {
  for (const text of ['KILL', 'SIGKILL', 'sigkill', 'kill', '9']) assert.equal(signalNumber(text), 9);
  assert.equal(signalNumber('SIGRTMIN'), 34);
  assert.equal(signalNumber('RTMIN+3'), 37);
  assert.equal(signalNumber('RTMAX-2'), 62);
  assert.equal(signalNumber('0'), 0);
});

test('what is no signal is said to be none', () => {
  for (const text of ['NONSENSE', '', '65', 'RTMAX+1', '-1', 'SIG']) assert.throws(() => signalNumber(text), /unknown signal/);
});
