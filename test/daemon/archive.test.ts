// docker cp and export: into and out of running and stopped containers, and archives that try to climb out.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { tar } from '../harness/tar-archive.ts';

let daemon: Berthd;
const scratch = mkdtempSync(join(tmpdir(), 'berth-archive-'));
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});

const output = async (...args: string[]) => {
  const result = await daemon.docker(args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
};

function put(container: string, path: string, archive: Buffer, parameters = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const target = `/containers/${container}/archive?path=${encodeURIComponent(path)}${parameters}`;
    const outgoing = request({ socketPath: daemon.socket, method: 'PUT', path: target }, (reply) => {
      reply.resume();
      reply.on('end', () => resolve(reply.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end(archive);
  });
}

test('a tree goes in and comes out as it was, running and stopped', async () => {
  const source = join(scratch, 'source');
  mkdirSync(join(source, 'deep'), { recursive: true });
  writeFileSync(join(source, 'file'), 'content\n', { mode: 0o640 });
  writeFileSync(join(source, 'deep', 'empty'), '');
  symlinkSync('../file', join(source, 'deep', 'link'));
  await output('run', '-d', '--name', 'box', 'busybox', 'sleep', '60');
  for (const [round, place] of ['/first', '/second'].entries()) {
    await output('cp', source, `box:${place}`);
    const back = join(scratch, `back${round}`);
    await output('cp', `box:${place}`, back);
    assert.equal(readFileSync(join(back, 'file'), 'utf8'), 'content\n');
    assert.equal(readlinkSync(join(back, 'deep', 'link')), '../file');
    assert.equal(readFileSync(join(back, 'deep', 'empty'), 'utf8'), '');
    if (round === 0) await output('stop', '-t', '0', 'box');
  }
  await output('start', 'box');
  assert.equal(await output('exec', 'box', 'cat', '/first/file', '/second/file'), 'content\ncontent');
  await output('rm', '-f', 'box');
});

test('what is missing is said', async () => {
  const id = await output('create', 'busybox');
  const result = await daemon.docker(['cp', `${id}:/absent`, scratch]);
  assert.match(result.stderr, new RegExp(`Could not find the file /absent in container ${id}`));
  assert.equal(await put(id, '/etc/passwd', tar([{ name: 'x' }])), 400);
  assert.equal(await put(id, '/absent', tar([{ name: 'x' }])), 404);
  await output('rm', id);
});

test('an archive that breaks off, and one that cannot be placed: said, and the next one is', async () => {
  const id = await output('create', 'busybox');
  // More than is placed without a thread.
  const large = tar([{ name: 'large', body: Buffer.alloc(1 << 20, 'x') }]);
  await assert.rejects(
    new Promise((_, reject) => {
      const path = `/containers/${id}/archive?path=/`;
      const headers = { 'Content-Length': large.length };
      const outgoing = request({ socketPath: daemon.socket, method: 'PUT', path, headers });
      outgoing.on('error', reject);
      outgoing.write(large.subarray(0, 600_000), () => outgoing.destroy(new Error('gone')));
    }),
    /gone/,
  );
  const unfit = tar([
    { name: 'first', body: Buffer.alloc(1 << 20, 'x') },
    { name: 'etc', body: 'no directory' },
  ]);
  assert.equal(await put(id, '/', unfit, '&noOverwriteDirNonDir=true'), 400);
  assert.equal(await put(id, '/', large), 200);
  assert.equal((await daemon.docker(['cp', `${id}:/large`, '-'])).stdout.length, large.length);
  await output('rm', id);
});

test('links of the container and names of the archive do not lead to the host', async () => {
  const outside = join(scratch, 'outside');
  mkdirSync(outside);
  const id = await output('run', '-d', 'busybox', 'sh', '-c', `ln -s ${outside} /out; sleep 60`);
  await daemon.docker(['exec', id, 'sh', '-c', 'until [ -e /out ] || [ -L /out ]; do :; done']);
  await put(id, '/', tar([{ name: 'out/planted', body: 'x' }]));
  await put(id, '/tmp', tar([{ name: `../../../../../..${outside}/climbed`, body: 'x' }]));
  assert.ok(!existsSync(join(outside, 'planted')));
  assert.ok(!existsSync(join(outside, 'climbed')));
  await output('rm', '-f', id);
});
