import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { connect as connectTo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { ErrorCode, Flag, FrameReader, FrameType } from './frames.ts';
import { field, HeaderDecoder, MAX_HEADER_LIST } from './hpack.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const first = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
const cached = [...first, 'cache-control', 'no-cache'];
const custom = [
  ':method',
  'GET',
  ':scheme',
  'https',
  ':path',
  '/index.html',
  ':authority',
  'www.example.com',
  'custom-key',
  'custom-value',
];
const date = 'Mon, 21 Oct 2013 20:13:21 GMT';
const found = [':status', '302', 'cache-control', 'private', 'date', date, 'location', 'https://www.example.com'];

/** Blocks of one connection, with what they stand for. */
const EXAMPLES: Record<string, [block: string, fields: string[]][]> = {
  'C.2.1 literal with indexing': [['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header']]],
  'C.2.2 literal without indexing': [['040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']]],
  'C.2.3 literal never indexed': [['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']]],
  'C.2.4 indexed': [['82', [':method', 'GET']]],
  'C.3 requests': [
    ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', first],
    ['8286 84be 5808 6e6f 2d63 6163 6865', cached],
    ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', custom],
  ],
  'C.4 requests, Huffman': [
    ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', first],
    ['8286 84be 5886 a8eb 1064 9cbf', cached],
    ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', custom],
  ],
  'C.6.1 response, Huffman': [
    [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      found,
    ],
    ['4883 640e ffc1 c0bf', [':status', '307', 'cache-control', 'private', 'date', date, 'location', 'https://www.example.com']],
  ],
};

for (const [name, blocks] of Object.entries(EXAMPLES)) {
  test(`RFC 7541, ${name}`, () => {
    const decoder = new HeaderDecoder();
    for (const [block, fields] of blocks) assert.deepEqual(decoder.decode(hex(block)), fields);
  });
}

test('fields that are sent are those that are read', () => {
  const value = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 40_000 });
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9-]{1,200}$/), value, (name, text) => {
      assert.deepEqual(new HeaderDecoder().decode(field(name, text)), [name, text]);
    }),
  );
});

test('whatever bytes come, the decoder ends, with fields or with a Violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        assert.equal(new HeaderDecoder().decode(Buffer.from(bytes)).length % 2, 0);
      } catch (error) {
        assert.ok([ErrorCode.compression, ErrorCode.protocol, ErrorCode.calm].includes((error as { code: 9 }).code), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

for (const [what, block, code] of [
  ['an index beyond the table', 'be', ErrorCode.compression],
  ['the index 0', '80', ErrorCode.compression],
  ['a table larger than was offered', '3fe2 1f', ErrorCode.compression],
  ['a table size behind a field', '8220', ErrorCode.compression],
  ['a number without end', 'ffff ffff ffff ff', ErrorCode.compression],
  ['a string longer than its block', '400a 61', ErrorCode.compression],
  ['a Huffman string with the end of strings inside', '0001 6184 ffff ffff', ErrorCode.compression],
  ['Huffman padding of zeros', '0001 6181 18', ErrorCode.compression],
  ['Huffman padding of eight bits', '0001 6182 1fff', ErrorCode.compression],
  ['a name in upper case', '0001 4101 61', ErrorCode.protocol],
  ['a value of two lines', '0001 6101 0a', ErrorCode.protocol],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(() => new HeaderDecoder().decode(hex(block)), { code });
  });
}

test('a few bytes that stand for megabytes are refused', () => {
  const decoder = new HeaderDecoder();
  decoder.decode(Buffer.concat([Buffer.of(0x40), field('bomb', 'x'.repeat(4000)).subarray(1)]));
  assert.equal(decoder.decode(Buffer.of(0xbe))[1]?.length, 4000);
  assert.throws(() => decoder.decode(Buffer.alloc(MAX_HEADER_LIST / 4000 + 1, 0xbe)), { code: ErrorCode.calm });
});

test("node:http2's encoder and its table are understood, in any number of blocks", { timeout: 60_000 }, async (t) => {
  const { client, blocks } = await recorder(t);
  const names = fc.constantFrom('a', 'b', 'x-trace', 'containerd-namespace', 'user-agent', 'some-longer-name-of-a-field');
  const octet = fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code));
  const lists = fc.dictionary(names, fc.oneof(fc.string({ unit: octet, maxLength: 300 }), fc.constantFrom('default', 'moby', '1')));
  const decoder = new HeaderDecoder();
  await fc.assert(
    fc.asyncProperty(lists, async (headers) => {
      const stream = client.request({ ':method': 'POST', ':path': '/a.B/C', ...headers }, { endStream: true });
      stream.on('error', () => {});
      const block = await blocks();
      const fields = decoder.decode(block);
      const got = Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]]));
      for (const [name, value] of Object.entries(headers)) assert.equal(got[name], value);
      assert.equal(got[':path'], '/a.B/C');
    }),
    { numRuns: 300 },
  );
});

/** A client of node:http2, and the header blocks that it sends. */
async function recorder(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'berth-hpack-'));
  const waiting: Buffer[] = [];
  let wake = () => {};
  const server = createServer((socket) => {
    let parts: Buffer[] = [];
    const reader = new FrameReader((type, flags, _stream, payload) => {
      if (type !== FrameType.headers && type !== FrameType.continuation) return;
      const skipped = type === FrameType.headers && flags & Flag.priority ? 5 : 0;
      parts.push(Buffer.from(payload.subarray(skipped)));
      if (!(flags & Flag.endHeaders)) return;
      waiting.push(Buffer.concat(parts));
      parts = [];
      wake();
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => {});
    // SETTINGS with room for all streams: none of them is ever answered.
    socket.write(hex('000006 04 00 00000000 0003 7fffffff'));
  }).listen(join(directory, 's'));
  await once(server, 'listening');
  const client = connect('http://localhost', { createConnection: () => connectTo(join(directory, 's')) });
  client.on('error', () => {});
  await once(client, 'remoteSettings');
  t.after(() => {
    client.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  const blocks = async (): Promise<Buffer> => {
    while (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return waiting.shift() as Buffer;
  };
  return { client, blocks };
}
