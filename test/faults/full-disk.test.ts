// A data root without space: what fails says so, loses nothing that was there, and works again once there is room.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MNT_DETACH, mount, umount } from '@berth/sys/mount';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];

test('a full disk', async () => {
  await using registry = await startRegistry();
  const pulled = `${registry.host}/full:1`;
  await storeImage(pulled, { family: 'oci', layers: [[{ name: 'noise', body: randomBytes(4_000_000) }]] });
  const directory = mkdtempSync(join(tmpdir(), 'berth-full-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  mount('tmpfs', data, 'tmpfs', 0, 'size=48m');
  try {
    const daemon = await Berthd.start({ directory, hostNetwork: true, flags: NETWORK });
    try {
      const good = async (...args: string[]) => {
        const { code, stdout, stderr } = await daemon.docker(args);
        assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}\n${daemon.log.slice(-2000)}`);
        return stdout;
      };
      await daemon.importBusybox();
      await good('create', '--name', 'before', '--network', 'none', 'busybox', 'echo', 'still here');
      await good('pull', '-q', pulled);
      const archive = join(directory, 'saved.tar');
      await good('save', '-o', archive, pulled);
      await good('rmi', pulled);
      await good('run', '--name', 'changed', '--network', 'none', 'busybox', 'sh', '-c', 'head -c 3000000 /dev/urandom >/noise');
      await good('volume', 'create', 'filled');
      const room = statfsSync(data);
      const ballast = join(data, 'ballast');
      writeFileSync(ballast, Buffer.alloc(Math.max(0, room.bavail * room.bsize - 300_000)));
      for (const client of ['docker', 'berth'] as const) {
        const failed = await daemon[client](['import', '-', 'second'], { input: busyboxRootfs() });
        assert.equal(failed.code, 1);
        assert.match(failed.stderr, /no space left on device/);
        assert.equal((await daemon.docker(['images', '-q', 'second'])).stdout, '');
      }
      const commands: [command: string[], image: string][] = [
        [['pull', '-q', pulled], pulled],
        [['load', '-q', '-i', archive], pulled],
        [['commit', 'changed', 'committed'], 'committed'],
      ];
      for (const [command, image] of commands) {
        const { code, stderr } = await daemon.docker(command);
        assert.equal(code, 1, command.join(' '));
        assert.match(stderr, /no space left on device/, command.join(' '));
        assert.equal(await good('images', '-q', image), '');
      }
      const imported = await daemon.berth(['volume', 'import', 'filled', archive]);
      assert.match(imported.stderr, /no space left on device/);
      rmSync(ballast);
      assert.equal(await good('start', '-a', 'before'), 'still here\n');
      assert.equal((await daemon.docker(['import', '-', 'second'], { input: busyboxRootfs() })).code, 0);
      for (const [command, image] of commands) {
        await good(...command);
        assert.notEqual(await good('images', '-q', image), '');
        await good('rmi', image);
      }
      assert.equal((await daemon.berth(['volume', 'import', 'filled', archive])).code, 0);
      await good('rm', '-f', 'before', 'changed');
    } finally {
      await daemon.stop();
      rmSync(daemon.execRoot, { recursive: true, force: true });
    }
  } finally {
    umount(data, MNT_DETACH);
    rmSync(directory, { recursive: true, force: true });
  }
});
