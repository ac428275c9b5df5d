import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonSyntaxError } from './json-syntax.ts';

const CASES: [string, string][] = [
  ['{bad', "invalid character 'b' looking for beginning of object key string"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ['[1 2]', "invalid character '2' after array element"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ["'x'", "invalid character '\\'' looking for beginning of value"],
  ['trie', "invalid character 'i' in literal true (expecting 'u')"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
  ['-x', "invalid character 'x' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['1e+x', "invalid character 'x' in exponent of numeric literal"],
  ['é', "invalid character 'Ã' looking for beginning of value"],
  ...['', '{', '{"a"', '{"a":', '[', '"open', '"\\', '"\\u12', 'nul', '-', '1.'].map((text): [string, string] => [text, 'unexpected EOF']),
];

test('says what is wrong as Go does', () => {
  for (const [text, wrong] of CASES) assert.equal(jsonSyntaxError(text), wrong, text);
});

test('a whole value at the front is none of its business', () => {
  for (const text of ['{"Image":"x"} more', '[] ]', 'null null', '1 2']) assert.equal(jsonSyntaxError(text), undefined, text);
});

test('finds nothing wrong with what is JSON, and something with all that is not', () => {
  fc.assert(fc.property(fc.json(), (text) => jsonSyntaxError(text) === undefined));
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom(...'{}[]",:0-x\\'), (text, place, char) => {
      const at = place % text.length;
      const changed = `[${text.slice(0, at)}${char}${text.slice(at + 1)}]`;
      let valid = true;
      try {
        JSON.parse(changed);
      } catch {
        valid = false;
      }
      // A bracket may end the outer list early: then a whole value stands at the front.
      if (valid) assert.equal(jsonSyntaxError(changed), undefined);
      else if (char !== ']' && !text.includes(']')) assert.notEqual(jsonSyntaxError(changed), undefined);
    }),
  );
});

test('nesting costs no stack', () => {
  assert.equal(jsonSyntaxError('['.repeat(1_000_000)), 'unexpected EOF');
});
