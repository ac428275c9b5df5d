// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of Dockerfiles
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandText, expandWord, expandWords, splitWords } from './words.ts';

const variables: Record<string, string> = { A: 'alpha', EMPTY: '', PATHS: '/a/b/c.tar.gz', TWO: 'x y' };
const expand = (word: string, escapeToken = '\\') => expandWord(word, (name) => variables[name], escapeToken);

test('variables, quotes and escapes', () => {
  assert.equal(expand('$A-${A}-$NONE-'), 'alpha-alpha--');
  assert.equal(expand('"$A \'$A\'"'), "alpha 'alpha'");
  assert.equal(expand("'$A'"), '$A');
  assert.equal(expand('\\$A "\\$A" \\"'), '$A $A "');
  assert.equal(expand('"a\\b"'), 'a\\b');
  assert.equal(expand('C:\\dir`$A', '`'), 'C:\\dir$A');
  assert.equal(expand('cost: $'), 'cost: $');
});

test('modifiers', () => {
  assert.equal(expand('${NONE:-$A}${EMPTY:-b}${EMPTY-b}'), 'alphab');
  assert.equal(expand('${A:+set}${EMPTY:+set}${EMPTY+set}${NONE+set}'), 'setset');
  assert.equal(expand('${NONE:-${A}}'), 'alpha');
  assert.throws(() => expand('${NONE:?is needed}'), /NONE: is needed/);
  assert.equal(expand('${PATHS#*/} ${PATHS##*/} ${PATHS%.*} ${PATHS%%.*}'), 'a/b/c.tar.gz c.tar.gz /a/b/c.tar /a/b/c');
  assert.equal(expand('${A/a/o} ${A//a/o}'), 'olpha olpho');
  assert.throws(() => expand('${A'), /failed to process "\$\{A"/);
  assert.throws(() => expand('${A!x}'), /unsupported modifier/);
});

test('words', () => {
  assert.deepEqual(splitWords('a  "b c" d\\ e \'f "g\'', '\\'), ['a', '"b c"', 'd\\ e', "'f \"g'"]);
  assert.deepEqual(
    expandWords('$TWO "$TWO"', (name) => variables[name], '\\'),
    ['x', 'y', 'x y'],
  );
  assert.equal(
    expandText('"$A" \'$A\' \\$A', (name) => variables[name], '\\'),
    '"alpha" \'alpha\' $A',
  );
});

test('what is quoted comes out as it went in', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes("'")),
      (text) => expand(`'${text}'`) === text,
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => expand(`"${text.replace(/["$\\]/g, '\\$&')}"`) === text));
});
