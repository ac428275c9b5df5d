import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonSplitter } from './json-stream.ts';

const message = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.array(fc.string()), fc.constant(null)));

test('values come out whole, however the stream is cut and whatever stands between them', () => {
  fc.assert(
    fc.property(
      fc.array(message),
      fc.constantFrom('', '\n', '\r\n', '\x1e'),
      fc.integer({ min: 1, max: 17 }),
      (messages, between, size) => {
        const text = messages.map((value) => JSON.stringify(value)).join(between);
        const splitter = new JsonSplitter();
        const got: unknown[] = [];
        for (let at = 0; at < text.length; at += size) got.push(...splitter.feed(text.slice(at, at + size)));
        assert.deepEqual(got, JSON.parse(JSON.stringify(messages)));
      },
    ),
  );
});
