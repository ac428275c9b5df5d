import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATTR, MS } from '@berth/sys/mount';
import fc from 'fast-check';
import { knownMountOptions, parseMountOptions } from './mount-options.ts';

test('flags, propagation and data are told apart', () => {
  const parsed = parseMountOptions(['nosuid', 'noexec', 'rslave', 'size=64k', 'mode=755', 'ro']);
  assert.equal(parsed.flags, MS.NOSUID | MS.NOEXEC | MS.RDONLY);
  assert.deepEqual(parsed.propagation, [MS.SLAVE | MS.REC]);
  assert.equal(parsed.data, 'size=64k,mode=755');
  assert.equal(parsed.attributes.set, ATTR.NOSUID | ATTR.NOEXEC | ATTR.RDONLY);
});

test('a later option wins over an earlier one', () => {
  assert.deepEqual(parseMountOptions(['ro', 'rw']).attributes, { set: 0, clear: ATTR.RDONLY });
  assert.equal(parseMountOptions(['ro', 'rw']).flags, 0);
  assert.deepEqual(parseMountOptions(['rw', 'ro']).attributes, { set: ATTR.RDONLY, clear: 0 });
});

test('a bind mount is one by type or by option, recursive or not', () => {
  assert.deepEqual(pick(parseMountOptions(['rbind'])), [true, true]);
  assert.deepEqual(pick(parseMountOptions(['bind'])), [true, false]);
  assert.deepEqual(pick(parseMountOptions([], 'bind')), [true, false]);
  assert.deepEqual(pick(parseMountOptions(['nosuid'], 'tmpfs')), [false, false]);
  function pick({ bind, recursive }: { bind: boolean; recursive: boolean }): boolean[] {
    return [bind, recursive];
  }
});

test('access times are one field: setting one of them clears the field first', () => {
  assert.deepEqual(parseMountOptions(['strictatime']).attributes, { set: ATTR.STRICTATIME, clear: ATTR.ATIME_FIELD });
  assert.deepEqual(parseMountOptions(['noatime', 'relatime']).attributes, { set: 0, clear: ATTR.ATIME_FIELD });
});

test('the r-variants concern the whole tree and leave the mount itself alone', () => {
  const parsed = parseMountOptions(['rbind', 'rro', 'rnosuid']);
  assert.deepEqual(parsed.recursiveAttributes, { set: ATTR.RDONLY | ATTR.NOSUID, clear: 0 });
  assert.deepEqual(parsed.attributes, { set: 0, clear: 0 });
});

test('no attribute is both set and cleared, except by the field of access times; no option that is known becomes data', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...knownMountOptions()), { maxLength: 12 }), (options) => {
      const parsed = parseMountOptions(options);
      for (const change of [parsed.attributes, parsed.recursiveAttributes]) assert.equal(change.set & change.clear & ~ATTR.ATIME_FIELD, 0);
      assert.equal(parsed.data, '');
    }),
  );
});
