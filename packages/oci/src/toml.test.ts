import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOf, parseToml } from './toml.ts';

test('what is no TOML is refused with its line', () => {
  assert.throws(() => parseToml('a = 1\nb = nothing\n', 'f'), { kind: 'InvalidArgument', message: /^f:2: / });
  assert.throws(() => parseToml('a = "x\n', 'f'), /^EngineError: f:1: /);
  assert.throws(() => parseToml('a = 1\na = 2\n', 'f'), /f:2: /);
});

test('the line of a key, also below quoted tables and after values of several lines', () => {
  const text = `version = 2\nlist = [\n  1,\n  2]\n[plugins."a.b".c]\n\n  key = """\nx\n"""\n  other = 1\n`;
  assert.equal(lineOf(text, ['version']), 1);
  assert.equal(lineOf(text, ['list']), 4);
  assert.equal(lineOf(text, ['plugins', 'a.b', 'c', 'key']), 9);
  assert.equal(lineOf(text, ['plugins', 'a.b', 'c', 'other']), 10);
});
