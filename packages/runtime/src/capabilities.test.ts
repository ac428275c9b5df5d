import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPABILITY_NAMES } from '@berth/oci/capability-names';
import fc from 'fast-check';
import { capabilityMask, capabilitySets } from './capabilities.ts';

test('each name is its number', () => {
  assert.equal(capabilityMask(['CAP_CHOWN']), 1n);
  assert.equal(capabilityMask(['CAP_SYS_ADMIN']), 1n << 21n);
  assert.equal(capabilityMask(['CAP_CHECKPOINT_RESTORE']), 1n << 40n);
  assert.equal(capabilityMask(['CAP_LUCK']), 0n);
});

test('no set has what this process lacks', () => {
  const names = fc.array(fc.constantFrom(...CAPABILITY_NAMES));
  fc.assert(
    fc.property(names, names, fc.bigInt({ min: 0n, max: (1n << 41n) - 1n }), (bounding, ambient, available) => {
      const sets = capabilitySets({ bounding, ambient }, available);
      assert.equal(sets.bounding & ~available, 0n);
      assert.ok(sets.ambient.every((number) => (available >> BigInt(number)) & 1n));
      assert.equal(sets.bounding, capabilityMask(bounding) & available);
    }),
  );
});
