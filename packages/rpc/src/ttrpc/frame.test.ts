import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeFrame, type Frame, FrameDecoder, FrameType, HEADER_LENGTH, MAX_MESSAGE } from './frame.ts';

const frames: fc.Arbitrary<Frame> = fc.record({
  stream: fc.integer({ min: 0, max: 0xffffffff }),
  type: fc.constantFrom(...Object.values(FrameType)),
  flags: fc.integer({ min: 0, max: 255 }),
  message: fc.uint8Array({ maxLength: 200 }),
});

test('frames survive any fragmentation, and a reader that reuses its buffer', () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (sent, cuts) => {
      const wire = Buffer.concat(sent.map(encodeFrame));
      const decoder = new FrameDecoder();
      const got: Frame[] = [];
      for (let at = 0, i = 0; at < wire.length; i++) {
        const piece = Buffer.from(wire.subarray(at, at + (cuts[i % cuts.length] ?? 1)));
        at += piece.length;
        for (const frame of decoder.push(piece)) got.push({ ...frame, message: Uint8Array.from(frame.message) });
        piece.fill(0xee);
      }
      assert.deepEqual(
        got,
        sent.map((frame) => ({ ...frame, message: Uint8Array.from(frame.message) })),
      );
    }),
  );
});

test('a header is ten bytes: length, stream, type, flags', () => {
  assert.equal(
    encodeFrame({ stream: 3, type: FrameType.request, flags: 1, message: Buffer.from('abc') }).toString('hex'),
    '0000000300000003010' + '1616263',
  );
});

test('oversized and unknown frames are refused in both directions', () => {
  assert.throws(() => encodeFrame({ stream: 1, type: 1, flags: 0, message: new Uint8Array(MAX_MESSAGE + 1) }), {
    kind: 'ResourceExhausted',
  });
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32BE(MAX_MESSAGE + 1, 0);
  assert.throws(() => [...new FrameDecoder().push(header)], { kind: 'ResourceExhausted' });
  assert.throws(() => [...new FrameDecoder().push(Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 9, 0]))], { kind: 'InvalidArgument' });
});
