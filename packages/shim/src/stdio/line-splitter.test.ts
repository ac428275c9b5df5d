import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LineSplitter, MAX_PIECE } from './line-splitter.ts';

function split(chunks: Buffer[]): Buffer[] {
  const pieces: Buffer[] = [];
  const splitter = new LineSplitter((piece) => pieces.push(Buffer.from(piece)));
  for (const chunk of chunks) {
    splitter.push(chunk);
    chunk.fill(0x21); // the copier uses its memory again
  }
  splitter.flush();
  return pieces;
}

test('no byte is lost, pieces are short, and newlines end pieces', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: 'grapheme', maxLength: 100 }).map((text) => Buffer.from(text)),
    fc.nat(40_000).map((length) => Buffer.alloc(length, 'ab€')),
    fc.constant(Buffer.from('\n')),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
      const whole = Buffer.concat(chunks);
      const pieces = split(chunks.map((each) => Buffer.from(each)));
      assert.ok(Buffer.concat(pieces).equals(whole));
      for (const [index, piece] of pieces.entries()) {
        assert.ok(piece.length > 0 && piece.length <= MAX_PIECE);
        const newline = piece.indexOf(10);
        assert.ok(newline === -1 || newline === piece.length - 1);
        if (newline === -1 && index < pieces.length - 1) assert.ok(piece.length > MAX_PIECE - 4);
      }
    }),
    { numRuns: 60 },
  );
});

test('the pieces do not depend on how the bytes arrived', () => {
  const text = Buffer.from(`${'é'.repeat(20_000)}\nshort\n\nlast without newline`);
  const expected = split([Buffer.from(text)]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }), (sizes) => {
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < text.length; i++) {
        const size = sizes[i % sizes.length] as number;
        chunks.push(Buffer.from(text.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(split(chunks), expected);
    }),
    { numRuns: 30 },
  );
  assert.ok(expected.every((piece) => !piece.toString().includes('\ufffd')));
});
