// A data root without a byte of space (full-disk.test.ts has one with too little for an image): what fails says so and leaves nothing half,
// everything that needs no space goes on, and it all works again once there is room.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mount, umount } from '@berth/sys/mount';
import { Berthd } from '../harness/berthd.ts';
import { tar } from '../harness/tar-archive.ts';

/** A daemon whose data root is a small disk of its own. */
async function onSmallDisk(body: (daemon: Berthd, data: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-full-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  mount('tmpfs', data, 'tmpfs', 0, 'size=48m');
  try {
    const daemon = await Berthd.start({ directory });
    try {
      await daemon.importBusybox();
      await body(daemon, data);
      await daemon.stop();
    } finally {
      await daemon.kill();
    }
  } finally {
    umount(data);
    rmSync(directory, { recursive: true, force: true });
  }
}

test('a disk without a byte: nothing is made, everything can be looked at, stopped and removed', () =>
  onSmallDisk(async (daemon, data) => {
    const ok = async (...words: string[]) => {
      const { code, stdout, stderr } = await daemon.docker(words, { timeout: 20_000 });
      assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
      return stdout;
    };
    await ok('create', '--name', 'before', 'busybox', 'echo', 'still here');
    await ok('run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000');
    const ballast = join(data, 'ballast');
    assert.throws(() => {
      for (;;) appendFileSync(ballast, Buffer.alloc(4096));
    }, /ENOSPC/);
    const objects = async () => [
      await ok('ps', '-a', '--format', '{{.Names}} {{.State}}'),
      await ok('images', '-a', '--format', '{{.Repository}}'),
      await ok('volume', 'ls', '-q'),
      await ok('network', 'ls', '--format', '{{.Name}}'),
    ];
    const there = await objects();
    const build = tar([{ name: 'Dockerfile', body: 'FROM busybox\nRUN head -c 1000000 /dev/zero >/x\n' }]);
    const failing: [words: string, code: number, input?: Buffer][] = [
      ['create --name second busybox', 1],
      ['run --rm busybox true', 125],
      ['run --name second busybox true', 125],
      ['start -a before', 1],
      ['commit runs committed', 1],
      ['build -t built -', 1, build],
      ['volume create named', 1],
      ['network create net', 1],
      ['tag busybox again', 1],
      ['rename runs ran', 1],
      ['cp - runs:/', 1, tar([{ name: 'big', body: Buffer.alloc(1_000_000) }])],
      ['load', 1, tar([{ name: 'big', body: Buffer.alloc(1_000_000) }])],
    ];
    for (const client of ['docker', 'berth'] as const) {
      for (const [words, code, input] of failing) {
        const failed = await daemon[client](words.split(' '), { timeout: 20_000, ...(input ? { input } : {}) });
        assert.equal(failed.code, code, `${client} ${words}: ${failed.stderr}`);
        assert.match(failed.stderr, /no space left on device/, `${client} ${words}`);
        assert.deepEqual(await objects(), there, `${client} ${words}`);
      }
    }
    assert.equal(await ok('exec', 'runs', 'echo', 'inside'), 'inside\n');
    await ok('stop', '-t', '0', 'runs');
    assert.equal(await ok('wait', 'runs'), '137\n');
    await ok('rm', 'runs');
    assert.equal(await ok('ps', '-a', '--format', '{{.Names}}'), 'before\n');
    rmSync(ballast);
    assert.equal(await ok('start', '-a', 'before'), 'still here\n');
    assert.equal(await ok('run', '--rm', 'busybox', 'echo', 'again'), 'again\n');
    await ok('rm', '-f', 'before');
  }));
