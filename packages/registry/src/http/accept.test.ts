import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accepts } from './accept.ts';

const TYPE = 'application/vnd.oci.image.index.v1+json';

test('an Accept header admits what it names, by name or by pattern', () => {
  for (const header of [undefined, '', '*/*', 'application/*', TYPE, `text/html, ${TYPE};q=0.5`, TYPE.toUpperCase()])
    assert.ok(accepts(header, TYPE), header);
  for (const header of ['text/*', 'application/json', `${TYPE};q=0`, `${TYPE}; q=0.00`]) assert.ok(!accepts(header, TYPE), header);
});
