import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DetachWatcher, parseDetachKeys } from './detach-keys.ts';

test('keys are named as docker names them', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('a,ctrl-@')], [97, 0]);
  assert.throws(() => parseDetachKeys('ctrl-1'), /invalid detach keys \(ctrl-1\)/);
});

test('without the sequence, every byte passes, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 })), (chunks) => {
      const watcher = new DetachWatcher(parseDetachKeys('ctrl-p,ctrl-q'));
      const bytes = chunks.flatMap((chunk) => [...chunk]).filter((byte) => byte !== 17);
      const passed = Buffer.concat([...bytes, 0].map((byte) => watcher.feed(Buffer.from([byte]))));
      assert.equal(watcher.detached, false);
      assert.deepEqual([...passed], [...bytes, 0]);
    }),
  );
});

test('the sequence detaches and is not passed on', () => {
  const watcher = new DetachWatcher(parseDetachKeys('ctrl-p,ctrl-q'));
  assert.deepEqual([...watcher.feed(Buffer.from([97, 16]))], [97]);
  assert.deepEqual([...watcher.feed(Buffer.from([16, 17, 98]))], [16]);
  assert.equal(watcher.detached, true);
});
