import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, StdcopyDecoder, type StreamId } from './stdcopy.ts';

test('frames survive any split of the bytes', () => {
  const frame = fc.record({ stream: fc.constantFrom<StreamId>(0, 1, 2, 3), payload: fc.uint8Array({ maxLength: 64 }) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 1 }), (frames, cuts) => {
      const wire = Buffer.concat(frames.map((one) => encodeFrame(one.stream, one.payload)));
      const decoder = new StdcopyDecoder();
      const seen = [];
      for (let at = 0, turn = 0; at < wire.length; turn++) {
        const size = cuts[turn % cuts.length] as number;
        seen.push(...decoder.push(wire.subarray(at, at + size)));
        at += size;
      }
      assert.equal(decoder.buffered, 0);
      assert.deepEqual(
        seen.map(({ stream, payload }) => ({ stream, payload: [...payload] })),
        frames.map(({ stream, payload }) => ({ stream, payload: [...payload] })),
      );
    }),
  );
});

test('an unknown stream number is an error', () => {
  assert.throws(() => new StdcopyDecoder().push(Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])), /Unrecognized input header: 9/);
});
