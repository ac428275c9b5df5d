import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { IgnorePatterns } from '@berth/api/ignore-patterns';
import { TreeWriter } from '@berth/lifecycle/diff/tree-writer';
import { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { type TarEntry, tarEntry } from '@berth/oci/tar/entry';
import { archiveKind, extractArchive } from './extract.ts';
import { checksum, DirectoryTree } from './file-tree.ts';

const base = mkdtempSync('/tmp/berth-tree-');
after(() => rmSync(base, { recursive: true }));
let count = 0;
const fresh = () => {
  const path = join(base, String(count++));
  mkdirSync(path);
  return path;
};

function write(root: string, ...entries: (Partial<TarEntry> & Pick<TarEntry, 'type' | 'name'> & { body?: string })[]): void {
  const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    using writer = new TreeWriter(fd);
    for (const { body = '', ...entry } of entries) {
      writer.entry(tarEntry({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, ...entry, size: body.length }));
      if (entry.type !== 'file') continue;
      writer.data(Buffer.from(body), 0);
      writer.end();
    }
    writer.finish();
  } finally {
    closeSync(fd);
  }
}

test('symbolic links of an archive do not lead out of it', () => {
  const root = fresh();
  const outside = fresh();
  write(
    root,
    { type: 'symlink', name: 'out', linkName: outside },
    { type: 'directory', name: outside.slice(1) },
    { type: 'file', name: 'out/f', body: 'x' },
  );
  assert.ok(!existsSync(join(outside, 'f')));
  assert.equal(readFileSync(join(root, outside, 'f'), 'utf8'), 'x');
  write(root, { type: 'symlink', name: 'up', linkName: '../../../../..' }, { type: 'file', name: 'up/g', body: 'y' });
  assert.equal(readFileSync(join(root, 'g'), 'utf8'), 'y');
});

test('a link is replaced, not written through; names that climb out are refused', () => {
  const root = fresh();
  const outside = join(base, 'victim');
  writeFileSync(outside, 'safe');
  write(root, { type: 'symlink', name: 'f', linkName: outside }, { type: 'file', name: 'f', body: 'new' });
  assert.equal(readFileSync(outside, 'utf8'), 'safe');
  assert.equal(readFileSync(join(root, 'f'), 'utf8'), 'new');
  assert.throws(() => write(root, { type: 'file', name: 'a/../../x' }), /name outside of its root/);
  assert.throws(() => write(root, { type: 'hardlink', name: 'h', linkName: '../victim' }), /name outside of its root/);
});

test('sources are found inside the root only', () => {
  const root = fresh();
  mkdirSync(join(root, 'dir'));
  writeFileSync(join(root, 'dir/a.txt'), 'a');
  writeFileSync(join(root, 'dir/b.txt'), 'b');
  symlinkSync('/dir', join(root, 'abs'));
  symlinkSync('/etc/passwd', join(root, 'evil'));
  symlinkSync('loop', join(root, 'loop'));
  using tree = new DirectoryTree(root);
  assert.deepEqual(tree.find('dir/*.txt'), ['dir/a.txt', 'dir/b.txt']);
  assert.deepEqual(tree.find('*'), ['abs', 'dir', 'evil', 'loop']);
  assert.deepEqual(tree.find('evil'), []);
  assert.deepEqual(tree.find('loop'), []);
  assert.ok(tree.isDirectory('abs'));
  assert.equal(tree.readText('abs/a.txt'), 'a');
  assert.equal(tree.readText('evil'), undefined);
  assert.throws(() => tree.find('../x'), /name outside/);
});

test('ignored files are neither found nor walked; exceptions below ignored directories are', () => {
  const root = fresh();
  for (const path of ['a/keep', 'a/drop', 'b']) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), path);
  }
  using tree = new DirectoryTree(root, IgnorePatterns.parse('a\n!a/keep'));
  assert.deepEqual(
    [...tree.walk('')].map(({ path }) => path),
    ['a/keep', 'b'],
  );
  assert.deepEqual(tree.find('a/drop'), []);
});

test('the checksum sees names, modes, links and bytes, and no times', async () => {
  const root = fresh();
  writeFileSync(join(root, 'f'), 'one');
  using tree = new DirectoryTree(root);
  const sum = () => checksum(tree, tree.walk(''), { owners: false });
  const before = await sum();
  writeFileSync(join(root, 'f'), 'one');
  assert.equal(await sum(), before);
  writeFileSync(join(root, 'f'), 'two');
  assert.notEqual(await sum(), before);
});

test('archives plain and compressed', async () => {
  await using threads = new UnpackPool();
  const tar = Buffer.alloc(1536);
  tar.write('hello.txt', 0);
  tar.write('0000644\0' + '0000000\0' + '0000000\0' + '00000000005\0' + '00000000000\0', 100, 'latin1');
  tar.write('        0', 148, 'latin1');
  tar.write('ustar\x0000', 257, 'latin1');
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  tar.write('hello', 512);
  for (const [kind, bytes] of [
    ['tar', tar],
    ['gzip', gzipSync(tar)],
    ['zstd', zstdCompressSync(tar)],
  ] as const) {
    assert.equal(archiveKind(bytes), kind);
    const root = fresh();
    using tree = new DirectoryTree(root);
    await extractArchive(threads, Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]), tree.fd);
    assert.equal(readFileSync(join(root, 'hello.txt'), 'utf8'), 'hello');
    assert.equal(statSync(join(root, 'hello.txt')).mode & 0o777, 0o644);
  }
  using tree = new DirectoryTree(fresh());
  await assert.rejects(extractArchive(threads, Readable.from([gzipSync(tar).subarray(0, 60)]), tree.fd), /Error processing tar file/);
  await assert.rejects(extractArchive(threads, Readable.from([Buffer.from('BZh91AY')]), tree.fd), /bzip2 are not supported/);
});

test('links to links are followed as the kernel would inside the root', () => {
  const root = fresh();
  mkdirSync(join(root, 'run'));
  mkdirSync(join(root, 'var'));
  symlinkSync('../run', join(root, 'var/run'));
  using tree = new DirectoryTree(root);
  assert.equal(tree.resolve('var/run'), 'run');
  assert.equal(tree.resolve('var/run/nothing'), undefined);
  write(root, { type: 'file', name: 'var/run/pid', body: '1' });
  assert.equal(readlinkSync(join(root, 'var/run')), '../run');
  assert.equal(readFileSync(join(root, 'run/pid'), 'utf8'), '1');
});
