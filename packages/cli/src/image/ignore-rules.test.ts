import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IgnoreRules } from './ignore-rules.ts';

const cases: [rules: string, ignored: string[], kept: string[]][] = [
  ['*.md', ['README.md'], ['docs/README.md', 'a.mdx']],
  ['**/*.md', ['README.md', 'docs/deep/x.md'], ['README.txt']],
  ['node_modules', ['node_modules', 'node_modules/x/y'], ['packages/node_modules']],
  ['/build/', ['build', 'build/x'], ['src/build']],
  ['*\n!keep.txt', ['a', 'dir/b'], ['keep.txt']],
  ['docs\n!docs/keep', ['docs/a'], ['docs/keep', 'docs/keep/b']],
  ['temp?', ['tempa'], ['temp', 'tempab']],
  ['# comment\n\n  spaced  ', ['spaced'], ['comment']],
  ['a/**/z', ['a/z', 'a/b/c/z'], ['a/b']],
  ['[ab].txt', ['a.txt'], ['c.txt']],
  ['**', ['anything', 'at/all'], []],
  ['.git\n*.log\n!important.log', ['.git/config', 'x.log'], ['important.log', '.gitignore']],
];

for (const [rules, ignored, kept] of cases) {
  test(`.dockerignore ${JSON.stringify(rules)}`, () => {
    const compiled = new IgnoreRules(rules);
    for (const path of ignored) assert.equal(compiled.ignores(path), true, `${path} should be ignored`);
    for (const path of kept) assert.equal(compiled.ignores(path), false, `${path} should be kept`);
  });
}
