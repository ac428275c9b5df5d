import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressPool } from './address-pool.ts';
import { formatCidr, formatIp, parseCidr } from './ip.ts';
import { chooseSubnet, defaultSubnets } from './subnet-choice.ts';

test('addresses are given lowest first, and again once they are free', () => {
  const pool = AddressPool.parse({ subnet: '10.0.0.0/29', gateway: '10.0.0.1' });
  const taken = [1, 2, 3, 4, 5].map(() => pool.take());
  assert.deepEqual(taken.map(formatIp), ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  assert.throws(() => pool.take(), /no available IPv4 addresses on this network's address pools: 10\.0\.0\.0\/29/);
  const third = taken[2];
  assert.ok(third);
  pool.free(third);
  assert.equal(formatIp(pool.take()), '10.0.0.4');
});

test('a range limits what is given out, not what may be asked for; the gateway is never free', () => {
  const pool = AddressPool.parse({ subnet: '10.0.0.0/24', gateway: '10.0.0.1', range: '10.0.0.128/30' });
  assert.equal(formatIp(pool.take()), '10.0.0.128');
  assert.equal(formatIp(pool.take('10.0.0.7')), '10.0.0.7');
  pool.free({ version: 4, value: pool.gateway.value });
  assert.throws(() => pool.take('10.0.0.1'), /Address already in use/);
  assert.throws(() => pool.take('10.0.1.1'), /no configured subnet contains IP address 10\.0\.1\.1/);
  assert.throws(() => AddressPool.parse({ subnet: '10.0.0.0/24', gateway: '10.0.1.1' }), /no matching subnet for gateway/);
});

test('no two owners of one address, in whatever order they come and go', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -6, max: 6 }), { maxLength: 60 }), (steps) => {
      const pool = AddressPool.parse({ subnet: '10.0.0.0/28', gateway: '10.0.0.1' });
      const owned = new Map<bigint, ReturnType<AddressPool['take']>>();
      for (const step of steps) {
        const [first] = owned.values();
        if (step < 0 && first) {
          pool.free(first);
          owned.delete(first.value);
        } else if (owned.size < 13) {
          const address = pool.take();
          assert.ok(!owned.has(address.value));
          owned.set(address.value, address);
        }
      }
    }),
  );
});

test('the default subnet is the first that nothing else covers', () => {
  assert.equal(formatCidr(chooseSubnet([])), '172.17.0.0/16');
  assert.equal(formatCidr(chooseSubnet([parseCidr('172.17.4.0/24').cidr, parseCidr('172.18.0.0/15').cidr])), '172.20.0.0/16');
  assert.throws(() => chooseSubnet([...defaultSubnets()]), /fully subnetted/);
});
