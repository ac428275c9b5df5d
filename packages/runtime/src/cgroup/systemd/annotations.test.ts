import assert from 'node:assert/strict';
import { test } from 'node:test';
import { propertiesIn } from './annotations.ts';

const of = (name: string, text: string) => propertiesIn({ 'some.other': 'x', [`org.systemd.property.${name}`]: text });

test('each type that a unit has', () => {
  assert.deepEqual(of('KillSignal', '15'), [['KillSignal', ['i', 15]]]);
  assert.deepEqual(of('TimeoutStopUSec', 'uint64 10000000'), [['TimeoutStopUSec', ['t', 10_000_000n]]]);
  assert.deepEqual(of('SendSIGKILL', 'true'), [['SendSIGKILL', ['b', true]]]);
  assert.deepEqual(of('CollectMode', "'inactive-or-failed'"), [['CollectMode', ['s', 'inactive-or-failed']]]);
  assert.deepEqual(of('Description', '"it\\"s, [mine]"'), [['Description', ['s', 'it"s, [mine]']]]);
  assert.deepEqual(of('After', '[\'a.service\', "b.service"]'), [['After', ['as', ['a.service', 'b.service']]]]);
  assert.deepEqual(of('After', '[]'), [['After', ['as', []]]]);
});

test('seconds become microseconds, whatever number they are', () => {
  for (const [text, expected] of [
    ['456', 456_000_000n],
    ['byte 234', 234_000_000n],
    ['uint64 234', 234_000_000n],
    ['234.789', 234_789_000n],
  ] as const)
    assert.deepEqual(of('TimeoutStopSec', text), [['TimeoutStopUSec', ['t', expected]]]);
  // No word before it: a name of its own.
  assert.deepEqual(of('FOOSec', '123'), [['FOOSec', ['i', 123]]]);
});

test('names and values that nobody can mean are refused', () => {
  for (const name of ['', 'Xo', 'Number1', 'With.Dot']) assert.throws(() => of(name, '1'), /name incorrect/, name);
  for (const text of ['', 'invalid-value', 'byte 256', '4294967296', 'int33 1', "'open", "['a' 'b']", '[1, 2]'])
    assert.throws(() => of('ValidName', text), /value parse error/, text);
  for (const text of ['false', "'covfefe'", '-1']) assert.throws(() => of('TimeoutStopSec', text), /value parse error/, text);
});
