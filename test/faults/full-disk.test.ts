// A data root without space: what fails says so, loses nothing that was there, and works again once there is room.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mount, umount } from '@berth/sys/mount';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';

test('a full disk', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-full-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  mount('tmpfs', data, 'tmpfs', 0, 'size=48m');
  try {
    const daemon = await Berthd.start({ directory });
    try {
      await daemon.importBusybox();
      await daemon.docker(['create', '--name', 'before', 'busybox', 'echo', 'still here']);
      const room = statfsSync(data);
      const ballast = join(data, 'ballast');
      writeFileSync(ballast, Buffer.alloc(Math.max(0, room.bavail * room.bsize - 300_000)));
      for (const client of ['docker', 'berth'] as const) {
        const failed = await daemon[client](['import', '-', 'second'], { input: busyboxRootfs() });
        assert.equal(failed.code, 1);
        assert.match(failed.stderr, /no space left on device/);
        assert.equal((await daemon.docker(['images', '-q', 'second'])).stdout, '');
      }
      rmSync(ballast);
      assert.equal((await daemon.docker(['start', '-a', 'before'])).stdout, 'still here\n');
      assert.equal((await daemon.docker(['import', '-', 'second'], { input: busyboxRootfs() })).code, 0);
      await daemon.docker(['rm', '-f', 'before']);
      await daemon.stop();
    } finally {
      await daemon.kill();
    }
  } finally {
    umount(data);
    rmSync(directory, { recursive: true, force: true });
  }
});
