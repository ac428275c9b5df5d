import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attribute, be32, concat, decodeAttributes, decodeMessages, encodeMessage, nested, readText, readU32, text, u32 } from './codec.ts';

const type = fc.integer({ min: 1, max: 0x3fff });
const bytes = fc.uint8Array({ maxLength: 70 });

test('attributes: what is encoded is decoded, whatever its length', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(type, bytes), { selector: ([key]) => key, maxLength: 8 }), (list) => {
      const encoded = concat(list.map(([key, payload]) => attribute(key, payload)));
      assert.equal(encoded.length % 4, 0);
      assert.deepEqual([...decodeAttributes(encoded)], list);
    }),
  );
});

test('messages: a datagram of several is taken apart again', () => {
  const message = fc.record({ type: fc.nat(0xffff), flags: fc.nat(0xffff), sequence: fc.nat(), payload: bytes }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
      assert.deepEqual(decodeMessages(concat(messages.map(encodeMessage))), messages);
    }),
  );
});

test('decoding never throws and never reads beyond the end', () => {
  fc.assert(
    fc.property(bytes, (garbage) => {
      for (const payload of decodeAttributes(garbage).values()) assert.ok(payload.length <= garbage.length);
      for (const { payload } of decodeMessages(garbage)) assert.ok(payload.length <= garbage.length);
    }),
  );
});

test('a nested attribute carries its flag and its children; numbers have their byte orders', () => {
  const encoded = nested(3, be32(2, 0x01020304), text(4, 'eth0'), u32(5, 0xfffffffe));
  assert.deepEqual([...encoded.subarray(0, 4)], [encoded.length, 0, 3, 0x80]);
  const children = decodeAttributes(decodeAttributes(encoded).get(3) ?? new Uint8Array());
  assert.deepEqual([...(children.get(2) ?? [])], [1, 2, 3, 4]);
  assert.equal(readText(children.get(4)), 'eth0');
  assert.equal(readU32(children.get(5)), 0xfffffffe);
});
