// The content store: what a writer promises, what commit checks, and what is left after a crash.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, linkSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';
import { type Digest, digestOf } from '@berth/oci/digest';
import { openStorage } from './storage-fixture.ts';

const A = { namespace: 'a' };
const B = { namespace: 'b' };
const rejects = (promise: Promise<unknown>, kind: ErrorKind, message?: RegExp) =>
  assert.rejects(promise, (error) => isKind(error, kind) && (message === undefined || message.test((error as Error).message)));

test('a blob is written, committed, read, labelled and deleted', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  const writer = await content.writer({ ref: 'r', total: 10 });
  await writer.write(Buffer.from('01234'));
  assert.equal(content.status('r').offset, 5);
  await writer.write(Buffer.from('56789'));
  const digest = await writer.commit({ size: 10, digest: digestOf('0123456789'), labels: { a: '1' } });
  assert.equal(readFileSync(content.path(digest), 'utf8'), '0123456789');
  assert.equal((await content.read(digest)).toString(), '0123456789');
  assert.deepEqual(content.info(digest).labels, { a: '1' });
  assert.deepEqual(content.update(digest, { a: '', b: '2' }, ['labels.a', 'labels.b']).labels, { b: '2' });
  assert.deepEqual(
    content.list(['labels.b==2']).map((info) => info.digest),
    [digest],
  );
  assert.deepEqual(content.statuses(), []);
  const path = content.path(digest);
  content.delete(digest);
  assert.ok(!existsSync(path));
  assert.deepEqual(fixture.topics, ['/content/create', '/content/delete']);
  assert.throws(() => content.info(digest), /content digest sha256:.*: not found/);
});

test('an ingest goes on where an earlier writer stopped', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  {
    await using writer = await content.writer({ ref: 'r', total: 6 });
    await writer.write(Buffer.from('abc'));
  }
  const writer = await content.writer({ ref: 'r', total: 6 });
  assert.equal(writer.offset, 3);
  await writer.write(Buffer.from('def'));
  assert.equal(await writer.commit({ size: 6 }), digestOf('abcdef'));
  await rejects(content.writer({ ref: 'r2', expected: digestOf('abcdef') }), 'AlreadyExists');
});

test('one writer a ref, and one blob a digest', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  const one = await content.writer({ ref: 'r' });
  await rejects(content.writer({ ref: 'r' }), 'Unavailable', /ref a\/r locked for/);
  const two = await content.writer({ ref: 's' });
  await one.write(Buffer.from('x'));
  await two.write(Buffer.from('x'));
  await one.commit();
  await rejects(two.commit(), 'AlreadyExists');
  assert.deepEqual(content.statuses(), []);
  await rejects(content.writer({ ref: '' }), 'InvalidArgument');
});

test('commit refuses the wrong size and the wrong digest, and nothing appears', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  for (const options of [{ size: 4 }, { digest: digestOf('other') }]) {
    const writer = await content.writer({ ref: 'r' });
    await writer.truncate(0);
    await writer.write(Buffer.from('abc'));
    await rejects(
      writer.commit(options),
      'FailedPrecondition',
      /unexpected commit (size 3, expected 4|digest sha256:.*, expected sha256:)/,
    );
  }
  await rejects(
    Promise.resolve().then(() => content.info(digestOf('abc'))),
    'NotFound',
  );
  assert.equal(content.status('r').offset, 3);
  await content.abort('r');
  assert.deepEqual(content.statuses(), []);
  await rejects(content.abort('r'), 'NotFound');
});

test('bytes are shared by namespaces, and go with the last of them', async () => {
  await using fixture = openStorage();
  const [a, b] = [fixture.storage.content.in(A), fixture.storage.content.in(B)];
  const digest = await a.put(Buffer.from('shared'), { from: 'a' });
  assert.throws(() => b.info(digest), /not found/);
  const writer = await b.writer({ ref: 'r', expected: digest, total: 6 });
  assert.equal(writer.offset, 6);
  await writer.commit({ size: 6, digest });
  const path = a.path(digest);
  a.delete(digest);
  assert.equal(readFileSync(path, 'utf8'), 'shared');
  assert.deepEqual(b.info(digest).labels, {});
  b.delete(digest);
  assert.ok(!existsSync(path));
});

test('a file is taken instead of written, if nobody else has it under another name', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  const path = join(fixture.root, 'given');
  writeFileSync(path, 'the bytes');
  linkSync(path, `${path}-too`);
  await using writer = await content.writer({ ref: 'r' });
  assert.equal(await writer.take(path), false);
  assert.equal(await writer.take(join(fixture.root, 'missing')), false);
  symlinkSync(path, `${path}-link`);
  assert.equal(await writer.take(`${path}-link`), false);
  assert.equal(writer.offset, 0);
  rmSync(`${path}-too`);
  assert.equal(await writer.take(path), true);
  assert.ok(!existsSync(path));
  assert.deepEqual([writer.offset, writer.digest()], [9, digestOf('the bytes')]);
  await assert.rejects(writer.write(Buffer.from('more')), /its writer is closed/);
  const digest = await writer.commit({ size: 9 });
  assert.equal(readFileSync(content.path(digest), 'utf8'), 'the bytes');
});

test('a file that was taken and is not what was promised is refused; who brings the bytes after all starts again', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  const path = join(fixture.root, 'given');
  writeFileSync(path, 'other bytes');
  const refused = await content.writer({ ref: 'r' });
  await refused.take(path);
  await rejects(refused.commit({ digest: digestOf('the bytes') }), 'FailedPrecondition', /unexpected commit digest/);
  const writer = await content.writer({ ref: 'r' });
  await writer.truncate(0);
  await writer.write(Buffer.from('the bytes'));
  assert.equal(await writer.commit({ digest: digestOf('the bytes') }), digestOf('the bytes'));
});

test('sha512 is checked where it is asked for', async () => {
  await using fixture = openStorage();
  const content = fixture.storage.content.in(A);
  const digest = `sha512:${createHash('sha512').update('abc').digest('hex')}` as Digest;
  const writer = await content.writer({ ref: 'r' });
  await writer.write(Buffer.from('abc'));
  assert.equal(await writer.commit({ digest }), digest);
  assert.equal((await content.read(digest)).toString(), 'abc');
});

test('after a power cut a blob that did not reach the disk is dropped', async () => {
  await using fixture = openStorage();
  const { storage } = fixture;
  const content = storage.content.in(A);
  const good = await content.put(Buffer.from('good'));
  const bad = await content.put(Buffer.from('bad'));
  await storage.content.flush();
  // What a cut leaves: the row says "maybe not durable", the file's data never came.
  chmodSync(content.path(bad), 0o600);
  truncateSync(content.path(bad), 0);
  storage.content.markPending(bad);
  storage.content.markPending(good);
  writeFileSync(join(fixture.root, 'io.containerd.content.v1.content/blobs/sha256', '0'.repeat(64)), 'nobody knows me');
  await storage.recover();
  assert.deepEqual(
    content.list().map((info) => info.digest),
    [good],
  );
  assert.deepEqual(readdirSync(join(fixture.root, 'io.containerd.content.v1.content/blobs/sha256')), [good.slice(7)]);
});
