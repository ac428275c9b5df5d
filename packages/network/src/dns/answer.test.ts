import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { addressOfPointer, answer } from './answer.ts';
import { type NamedNetwork, Names } from './names.ts';
import { framed, MessageReader } from './upstream.ts';

function network(internal: boolean, containers: string[], aliases: string[] = []): NamedNetwork {
  const endpoints = containers.map((containerName, i) => {
    const ipv4 = { address: `10.0.0.${i}`, prefixLength: 24, gateway: '' };
    return [containerName, { record: { containerName, containerId: `${i}`.padStart(64, 'f'), aliases, ipv4 } }] as const;
  });
  return { record: { name: 'n', internal }, endpoints: new Map(endpoints) };
}

const names = new Names(() => [network(true, ['web'])]);

function query(type: string, name: string): Buffer {
  return encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ type, name }] });
}

function ask(
  type: string,
  name: string,
  source = names,
  transport: 'udp' | 'tcp' = 'udp',
): { bytes: Buffer; code: number; answers: Answer[] } {
  const bytes = answer(query(type, name), source, transport);
  assert.ok(bytes instanceof Buffer);
  const packet = decode(bytes);
  assert.equal(packet.id, 7);
  return { bytes, code: (bytes[3] ?? 0) & 0xf, answers: packet.answers ?? [] };
}

test('an address of one version only: the other has no records, and is not asked for outside', () => {
  assert.deepEqual(
    ask('A', 'web').answers.map(({ data, ttl }) => [data, ttl]),
    [['10.0.0.0', 600]],
  );
  for (const type of ['AAAA', 'MX', 'TXT']) {
    const { code, answers } = ask(type, 'web');
    assert.deepEqual([code, answers], [0, []]);
  }
});

test('unknown names: outside, or a failure where there is no outside', () => {
  assert.equal(answer(query('A', 'example.org'), new Names(() => [network(false, [])]), 'udp'), 'forward');
  assert.equal(ask('A', 'example.org').code, 2);
});

test('an answer that fits no datagram is cut off over UDP and whole over TCP', () => {
  const many = Array.from({ length: 100 }, (_, i) => `c${i}`);
  const source = new Names(() => [network(false, many, ['same'])]);
  const udp = ask('A', 'same', source);
  assert.equal((udp.bytes[2] ?? 0) & 0x02, 0x02);
  assert.equal(udp.answers.length, 0);
  assert.equal(ask('A', 'same', source, 'tcp').answers.length, 100);
});

test('garbage never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const response = answer(Buffer.from(bytes), names, 'udp');
      assert.ok(response === undefined || response === 'forward' || response.length >= 12);
    }),
  );
});

test('addresses in the reverse tree', () => {
  assert.equal(addressOfPointer('2.0.17.172.in-addr.arpa'), '172.17.0.2');
  assert.equal(addressOfPointer(`1.${'0.'.repeat(30)}f.ip6.arpa`), 'f000::1');
  assert.equal(addressOfPointer('example.org'), undefined);
});

test('messages on a stream, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), (messages, step) => {
      const reader = new MessageReader();
      const stream = Buffer.concat(messages.map((message) => framed(Buffer.from(message))));
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += step) got.push(...reader.push(stream.subarray(at, at + step)));
      assert.deepEqual(
        got.map((message) => [...message]),
        messages.map((message) => [...message]),
      );
    }),
  );
});
