import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Identifiers } from './identifiers.ts';

test('identifiers have the form of the W3C Trace Context and never repeat, beyond one stock', () => {
  const identifiers = new Identifiers();
  const seen = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    const traceId = identifiers.traceId();
    const spanId = identifiers.spanId();
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.match(spanId, /^[0-9a-f]{16}$/);
    seen.add(traceId).add(spanId);
  }
  assert.equal(seen.size, 2000);
});

test('two stocks have nothing in common', () => {
  assert.notEqual(new Identifiers().traceId(), new Identifiers().traceId());
});
