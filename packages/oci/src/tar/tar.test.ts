// The codec against itself, on any members cut at any place, and against GNU tar.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { type TarEntry, tarEntry, toBytes } from './entry.ts';
import { formatPaxTime, parsePaxTime, readPax, writePax } from './pax.ts';
import { TarReader } from './reader.ts';
import { tarEnd, tarHeader, tarPadding } from './writer.ts';

type Member = { entry: TarEntry; content: Buffer };

function write(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(({ entry, content }) => [tarHeader(entry), content, tarPadding(content.length)]), tarEnd()]);
}

function read(archive: Buffer, cuts: readonly number[] = []): Member[] {
  const members: Member[] = [];
  const reader = new TarReader({
    entry: (entry) => void members.push({ entry, content: Buffer.alloc(0) }),
    data(chunk, offset) {
      const member = members.at(-1) as Member;
      assert.equal(offset, member.content.length);
      member.content = Buffer.concat([member.content, chunk]);
    },
    end() {},
  });
  let at = 0;
  for (const cut of [...cuts.map((cut) => cut % (archive.length + 1)).sort((a, b) => a - b), archive.length]) {
    reader.push(archive.subarray(at, cut));
    at = cut;
  }
  reader.finish();
  return members;
}

const byteString = (maxLength: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 47 ? 97 : byte))).toString('latin1'));
const name = fc.array(byteString(120), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const number = fc.oneof(fc.nat(), fc.constantFrom(0, 0o7777777, 0o10000000, 2 ** 32 - 2));
const member: fc.Arbitrary<Member> = fc
  .record({
    type: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'character', 'block', 'fifo'),
    name,
    linkName: byteString(300),
    mode: fc.nat(0o7777),
    uid: number,
    gid: number,
    userName: byteString(40),
    seconds: fc.integer({ min: -(2 ** 31), max: 2 ** 35 }),
    nanoseconds: fc.nat(999_999_999),
    major: fc.nat(4095),
    minor: fc.nat(1_048_575),
    xattrs: fc.array(
      fc.tuple(
        byteString(20).filter((key) => !key.includes('=')),
        fc.uint8Array({ maxLength: 50 }),
      ),
    ),
    content: fc.uint8Array({ maxLength: 2000 }),
  })
  .map(({ content, xattrs, type, linkName, major, minor, ...rest }) => {
    const data = type === 'file' ? Buffer.from(content) : Buffer.alloc(0);
    const isLink = type === 'symlink' || type === 'hardlink';
    const isDevice = type === 'character' || type === 'block';
    const entry = tarEntry({
      ...rest,
      type: type as TarEntry['type'],
      size: data.length,
      linkName: isLink ? linkName : '',
      major: isDevice ? major : 0,
      minor: isDevice ? minor : 0,
      xattrs:
        xattrs.length === 0
          ? undefined
          : new Map(xattrs.map(([key, value]) => [key, Buffer.from(value)] as const).sort(([a], [b]) => (a < b ? -1 : 1))),
    });
    return { entry, content: data };
  });

test('members come back as they were written, wherever the archive is cut', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (members, cuts) => {
      assert.deepEqual(read(write(members), cuts), members);
    }),
    { numRuns: 300 },
  );
});

test('pax records and times round-trip', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          byteString(20).filter((key) => !key.includes('=')),
          byteString(2000),
        ),
      ),
      (records) => {
        const map = new Map(records);
        assert.deepEqual(readPax(writePax(map)), map);
      },
    ),
  );
  fc.assert(
    fc.property(fc.integer(), fc.nat(999_999_999), (seconds, nanoseconds) => {
      assert.deepEqual(parsePaxTime(formatPaxTime(seconds, nanoseconds)), { seconds, nanoseconds });
    }),
  );
});

test('whatever the bytes are, the reader ends with members or InvalidArgument', () => {
  fc.assert(
    fc.property(
      fc.array(member, { maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
      fc.nat(),
      (members, changes, length) => {
        const archive = write(members);
        for (const [at, byte] of changes) archive[at % archive.length] = byte;
        try {
          read(archive.subarray(0, length % (archive.length + 1)));
        } catch (error) {
          assert.equal((error as { kind?: string }).kind, 'InvalidArgument', String(error));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('GNU tar lists what is written here', () => {
  const members = [
    { entry: tarEntry({ type: 'directory', name: 'd', mode: 0o750, uid: 1, gid: 2, seconds: 86_400 }), content: Buffer.alloc(0) },
    { entry: tarEntry({ type: 'file', name: `d/${'x'.repeat(150)}`, size: 3, seconds: 86_400 }), content: Buffer.from('abc') },
    { entry: tarEntry({ type: 'file', name: toBytes('d/é'), mode: 0o4755, uid: 3_000_000, seconds: 86_400 }), content: Buffer.alloc(0) },
    { entry: tarEntry({ type: 'symlink', name: 'l', linkName: 'd', mode: 0o777, seconds: 86_400 }), content: Buffer.alloc(0) },
  ];
  const listing = execFileSync('tar', ['tvf', '-', '--numeric-owner', '--quoting-style=literal'], {
    input: write(members),
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
  }).toString();
  assert.deepEqual(
    listing
      .trim()
      .split('\n')
      .map((line) => line.replace(/ +/g, ' ')),
    [
      'drwxr-x--- 1/2 0 1970-01-02 00:00 d/',
      `-rw-r--r-- 0/0 3 1970-01-02 00:00 d/${'x'.repeat(150)}`,
      '-rwsr-xr-x 3000000/0 0 1970-01-02 00:00 d/é',
      'lrwxrwxrwx 0/0 0 1970-01-02 00:00 l -> d',
    ],
  );
});

for (const format of ['v7', 'ustar', 'gnu', 'pax']) {
  test(`reads GNU tar's ${format} archives`, () => {
    const long = format === 'v7' ? 'n' : `${'n'.repeat(55)}/${'m'.repeat(40)}`;
    const script = `set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; mkdir -p "$1"; echo hello > "$1/file-of-ten"; ln "$1/file-of-ten" hard; ln -s "$1" soft; tar --format=$2 --sort=name -cf - .`;
    const members = read(execFileSync('sh', ['-c', script, 'sh', long, format]));
    const byName = new Map(members.map((found) => [found.entry.name.replace(/^\.\//, ''), found]));
    assert.equal(byName.get('hard')?.content.toString(), 'hello\n');
    assert.deepEqual([byName.get('soft')?.entry.type, byName.get('soft')?.entry.linkName], ['symlink', long]);
    assert.deepEqual(
      [byName.get(`${long}/file-of-ten`)?.entry.type, byName.get(`${long}/file-of-ten`)?.entry.linkName],
      ['hardlink', './hard'],
    );
  });
}
