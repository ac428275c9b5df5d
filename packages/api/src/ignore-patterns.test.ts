import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IgnorePatterns } from './ignore-patterns.ts';

const ignored = (text: string, ...paths: string[]) => {
  const patterns = IgnorePatterns.parse(text);
  return paths.filter((path) => patterns.ignores(path));
};

test('one star stays in its directory, two do not', () => {
  assert.deepEqual(ignored('*.md', 'a.md', 'b/a.md', 'a.mdx'), ['a.md']);
  assert.deepEqual(ignored('**/*.md', 'a.md', 'b/a.md', 'b/c/a.md'), ['a.md', 'b/a.md', 'b/c/a.md']);
  assert.deepEqual(ignored('a/**/b', 'a/b', 'a/x/b', 'a/x/y/b', 'ab'), ['a/b', 'a/x/b', 'a/x/y/b']);
  assert.deepEqual(ignored('*/temp*', 'x/temporary', 'temporary', 'x/y/temp'), ['x/temporary']);
  assert.deepEqual(ignored('temp?', 'tempa', 'temp', 'tempab'), ['tempa']);
  assert.deepEqual(ignored('[a-c].txt', 'b.txt', 'd.txt'), ['b.txt']);
});

test('a directory takes its contents along', () => {
  assert.deepEqual(ignored('/node_modules/', 'node_modules', 'node_modules/x/y', 'src/node_modules'), ['node_modules', 'node_modules/x/y']);
  assert.deepEqual(ignored('a/../b', 'b/c', 'a'), ['b/c']);
});

test('the last pattern decides', () => {
  assert.deepEqual(ignored('*.md\n!README.md', 'a.md', 'README.md'), ['a.md']);
  assert.deepEqual(ignored('*.md\n!README*.md\nREADME-secret.md', 'README.md', 'README-secret.md'), ['README-secret.md']);
  assert.deepEqual(ignored('docs\n!docs/keep', 'docs', 'docs/a', 'docs/keep', 'docs/keep/b'), ['docs', 'docs/a']);
  assert.deepEqual(ignored('*\n!src', 'a', 'src', 'src/x'), ['a']);
});

test('an ignored directory is entered only where an exception may be', () => {
  const entered = (text: string, ...directories: string[]) => {
    const patterns = IgnorePatterns.parse(text);
    return directories.filter((directory) => patterns.mayHoldExceptions(directory));
  };
  assert.deepEqual(entered('*\n!docs/keep', 'docs', 'docs/keep', 'docs/keep/b', 'docs/other', 'src'), ['docs', 'docs/keep', 'docs/keep/b']);
  assert.deepEqual(entered('*\n!src/*.ts', 'src', 'src/deep', 'docs'), ['src', 'src/deep']);
  assert.deepEqual(entered('*\n!**/keep', 'a', 'b/c'), ['a', 'b/c']);
  assert.deepEqual(entered('docs', 'docs'), []);
});

test('comments, blanks and the mark at the start', () => {
  assert.deepEqual(ignored('\uFEFF# no\n\n  a  \n', 'a', '# no'), ['a']);
  assert.deepEqual(ignored('.', 'a', 'b/c'), []);
  assert.throws(() => IgnorePatterns.parse('!'), /illegal exclusion pattern/);
  assert.throws(() => IgnorePatterns.parse('[a'), /syntax error in pattern/);
});

test('a plain path is itself and what is below it, whatever its letters', () => {
  const name = fc.stringMatching(/^[a-z.+(){}^$|-]{1,8}$/).filter((text) => !/^\.+$/.test(text));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), fc.array(name, { minLength: 1, maxLength: 4 }), (pattern, path) => {
      const below = pattern.every((part, index) => path[index] === part);
      return ignored(pattern.join('/'), path.join('/')).length === (below ? 1 : 0);
    }),
  );
});
