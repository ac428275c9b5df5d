import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Filter, labelAt } from './filter.ts';

interface Thing {
  name: string;
  labels: Record<string, string>;
}

const read = (thing: Thing, path: readonly string[]) =>
  path[0] === 'name' ? thing.name : path[0] === 'labels' ? labelAt(thing.labels, path) : undefined;
const thing: Thing = { name: 'docker.io/library/busybox:latest', labels: { 'a.b/c': 'd', empty: '' } };

for (const [filters, expected] of [
  [[], true],
  [[''], true],
  [['name==docker.io/library/busybox:latest'], true],
  [['name==x'], false],
  [['name==x', 'name~=busybox'], true],
  [['name!=x,labels."a.b/c"==d'], true],
  [['name!=x,labels."a.b/c"==e'], false],
  [['labels.empty'], true],
  [['labels.missing'], false],
  [['labels.missing!=x'], true],
  [['unknown'], false],
  [['name~=|^docker\\.io/|'], true],
  [['name~=/^docker\\.io\\/library/'], true],
  [['name~="^docker"'], true],
  [['labels."a.b/c"~=^[d]$'], true],
  [['name==x, labels."a.b/c"==d', 'unknown'], false],
  [['name!=x,  labels."a.b/c" == d'], true],
  [['name~=(?i)BUSYBOX'], true],
  [['name~=|docker\\\\.io|'], true],
  [['name!=a"b|c'], true],
  [['labels."a\\x2eb/c"==d'], true],
] as const) {
  test(`${JSON.stringify(filters)} is ${expected}`, () => assert.equal(new Filter(filters).matches(thing, read), expected));
}

for (const text of [
  '==x',
  'name==',
  'name=x',
  'name==x,',
  'name=="x',
  'name~=|x',
  'a b',
  'name ',
  'name==x ',
  'name===x',
  'name==.x',
  'name=="\\q"',
  'name~=[',
]) {
  test(`${text} does not parse`, () => assert.throws(() => new Filter([text]), { kind: 'InvalidArgument' }));
}

test('a quoted value is taken as it is', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const quoted = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
      assert.ok(new Filter([`name=="${quoted}"`]).matches({ name, labels: {} }, read));
    }),
  );
});
