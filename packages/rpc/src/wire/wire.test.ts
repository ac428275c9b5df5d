// The generated codec against protobufjs, which reads the same .proto files: what either writes, the other reads as the same.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { Metrics } from '../../gen/containerd/cgroups/v2/metrics.ts';
import { BootstrapParams } from '../../gen/containerd/runtime/bootstrap/v1/bootstrap.ts';
import { Container } from '../../gen/containerd/services/containers/v1/containers.ts';
import { WriteContentRequest } from '../../gen/containerd/services/content/v1/content.ts';
import { Envelope } from '../../gen/containerd/types/event.ts';
import { Timestamp } from '../../gen/google/protobuf/timestamp.ts';
import type { MessageType } from './message.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const PROTO = join(import.meta.dirname, '../../../../proto');
const files = readdirSync(PROTO, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
const root = new protobuf.Root();
for (const file of files) protobuf.parse(readFileSync(join(PROTO, file), 'utf8'), root);
root.resolveAll();

/** Decoded messages are ordinary objects. */
const record = <T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }, constraints: { requiredKeys?: (keyof T)[] } = {}) =>
  fc.record(model, { ...constraints, noNullPrototype: true } as { noNullPrototype: true });

const text = fc.string({ unit: 'binary' }).map((value) => value.toWellFormed());
const bytes = fc.uint8Array().map((value) => Buffer.from(value));
const labels = fc.dictionary(text, text, { noNullPrototype: true });
const timestamp = record({ seconds: fc.maxSafeInteger(), nanos: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) });
const any = record({ typeUrl: text, value: bytes });

const MESSAGES: [MessageType<unknown>, fc.Arbitrary<unknown>][] = [
  [Timestamp as MessageType<unknown>, timestamp],
  [Envelope as MessageType<unknown>, record({ timestamp, namespace: text, topic: text, event: any })],
  [
    Container as MessageType<unknown>,
    record({
      id: text,
      labels,
      image: text,
      runtime: record({ name: text, options: any }),
      spec: any,
      snapshotter: text,
      snapshotKey: text,
      createdAt: timestamp,
      updatedAt: timestamp,
      extensions: fc.dictionary(text, any, { noNullPrototype: true }),
      sandbox: text,
    }),
  ],
  [
    WriteContentRequest as MessageType<unknown>,
    record({
      action: fc.constantFrom(0, 1, 2),
      ref: text,
      total: fc.maxSafeInteger(),
      expected: text,
      offset: fc.maxSafeInteger(),
      data: bytes,
      labels,
    }),
  ],
  [
    BootstrapParams as MessageType<unknown>,
    record(
      {
        instanceId: text,
        namespace: text,
        logLevel: fc.constantFrom(-8, -4, 0, 4, 12),
        containerdVersion: text,
        containerdTtrpcAddress: text,
        containerdGrpcAddress: text,
        containerdBinary: text,
        extensions: fc.array(record({ value: any })),
        socketDir: text,
      },
      {
        requiredKeys: [
          'instanceId',
          'namespace',
          'logLevel',
          'containerdVersion',
          'containerdTtrpcAddress',
          'containerdGrpcAddress',
          'containerdBinary',
          'extensions',
        ],
      },
    ),
  ],
];

for (const [type, arbitrary] of MESSAGES) {
  test(`${type.fullName}: round trip, and protobufjs agrees`, () => {
    const peer = root.lookupType(type.fullName);
    fc.assert(
      fc.property(arbitrary, (message) => {
        const encoded = type.encode(message as never);
        assert.deepEqual(type.decode(encoded), message);
        const theirs = peer.decode(encoded);
        assert.deepEqual(type.decode(peer.encode(theirs).finish()), message);
      }),
    );
  });
}

test('every message of proto/ decodes from nothing, and encodes to nothing', async () => {
  for (const file of files) {
    const module = (await import(join(PROTO, '../packages/rpc/gen', file.replace('.proto', '.ts')))) as Record<string, unknown>;
    for (const type of Object.values(module) as MessageType<unknown>[]) {
      if (typeof type?.decode !== 'function') continue;
      assert.equal(type.encode(type.decode(new Uint8Array(0)) as never).length, 0, type.fullName);
      assert.ok(root.lookupType(type.fullName));
    }
  }
});

test('uint64 and double keep every bit', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.double({ noNaN: true }), (total, avg10) => {
      const { cpu } = Metrics.decode(Metrics.encode({ cpu: { usageUsec: total, psi: { some: { avg10, total } } } }));
      assert.equal(cpu?.usageUsec, total);
      assert.equal(cpu?.psi?.some?.avg10, Object.is(avg10, -0) ? 0 : avg10);
    }),
  );
});

test('parts of every length get the right length in front', () => {
  for (const size of [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000]) {
    const writer = new Writer(1).uint32(10).nested((inner) => inner.bytes(new Uint8Array(size).fill(7)));
    const reader = new Reader(writer.finish());
    assert.equal(reader.tag(), 10);
    assert.equal(reader.nested((inner) => inner.bytes()).length, size);
    assert.equal(reader.tag(), 0);
  }
});

test('whatever comes in, decode ends: with a message or with InvalidArgument', () => {
  fc.assert(
    fc.property(fc.constantFrom(...MESSAGES.map(([type]) => type)), fc.uint8Array({ maxLength: 200 }), (type, input) => {
      try {
        type.decode(input);
      } catch (error) {
        assert.ok(isKind(error, 'InvalidArgument'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('fields that are not known are passed over', () => {
  const newer = new Writer()
    .uint32((100 << 3) | 0)
    .uint64(2n ** 63n)
    .uint32((101 << 3) | 2)
    .string('new')
    .uint32((1 << 3) | 0)
    .int64(5)
    .uint32((102 << 3) | 1)
    .double(1);
  assert.deepEqual(Timestamp.decode(newer.finish()), { seconds: 5, nanos: 0 });
});

test('a key named __proto__ is a key', () => {
  const evil = Container.encode({ labels: JSON.parse('{"__proto__": "x"}') });
  const { labels: decoded } = Container.decode(evil);
  assert.deepEqual(Object.keys(decoded), ['__proto__']);
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
});
