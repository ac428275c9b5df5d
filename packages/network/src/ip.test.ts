import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cidrOf, contains, formatCidr, formatIp, ipBytes, ipOfBytes, maskBytes, overlaps, parseCidr, parseIp, tryParseIp } from './ip.ts';

const v4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ version: 4 as const, value }));
const v6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ version: 6 as const, value }));

test('addresses survive text and bytes', () => {
  fc.assert(
    fc.property(fc.oneof(v4, v6), (address) => {
      assert.deepEqual(parseIp(formatIp(address)), address);
      assert.deepEqual(ipOfBytes(ipBytes(address)), address);
    }),
  );
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => assert.ok(tryParseIp(text))));
});

test('IPv6 text is the canonical one', () => {
  const cases = {
    '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '::': '::',
    '0:0:0:0:0:0:0:1': '::1',
    '1:0:2:3:4:5:6:7': '1:0:2:3:4:5:6:7',
    'fe80::': 'fe80::',
    '::ffff:192.0.2.1': '::ffff:c000:201',
  };
  for (const [given, wanted] of Object.entries(cases)) assert.equal(formatIp(parseIp(given)), wanted);
});

test('what is no address is refused', () => {
  for (const text of ['', '1.2.3', '256.1.1.1', '01.2.3.4', ':::', 'fe80::1%eth0', 'host']) assert.equal(tryParseIp(text), undefined, text);
  for (const text of ['1.2.3.4', '1.2.3.4/33', '::/129', '1.2.3.4/', '1.2.3.4/8/8', '1.2.3.4/-1']) {
    assert.throws(() => parseCidr(text), /invalid CIDR address/, text);
  }
});

test('a subnet contains its base and last address, and overlaps what contains part of it', () => {
  fc.assert(
    fc.property(v4, fc.nat(32), fc.nat(32), (address, prefix, other) => {
      const cidr = cidrOf(address, prefix);
      assert.ok(contains(cidr, address));
      assert.ok(overlaps(cidr, cidrOf(address, other)));
      assert.deepEqual(parseCidr(formatCidr(cidr)).cidr, cidr);
      const mask = ipOfBytes(maskBytes(4, prefix)).value;
      assert.equal(address.value & mask, cidr.base);
    }),
  );
  assert.ok(!overlaps(parseCidr('172.17.0.0/16').cidr, parseCidr('172.18.0.0/16').cidr));
});
