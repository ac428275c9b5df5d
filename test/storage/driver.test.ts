// What the data root can do decides how containers' files are kept: overlayfs, whole copies, or a refusal that says why.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { dockerClient, run } from '../harness/programs.ts';

interface Root extends Disposable {
  directory: string;
}

/** Roots for a daemon whose data root is a file system of its own. */
function rootsOn(...mount: string[]): Root {
  const directory = mkdtempSync(join(tmpdir(), 'berth-storage-'));
  for (const name of ['data', 'lower', 'upper', 'work']) mkdirSync(join(directory, name));
  if (mount.length > 0) execFileSync('mount', [...mount.map((word) => word.replaceAll('DIR', directory)), join(directory, 'data')]);
  return {
    directory,
    [Symbol.dispose]() {
      if (mount.length > 0) execFileSync('umount', ['-l', join(directory, 'data')]);
      rmSync(directory, { recursive: true, force: true });
      rmSync(join('/dev/shm', basename(directory)), { recursive: true, force: true });
    },
  };
}

const OVERLAY = ['-t', 'overlay', 'overlay', '-o', 'lowerdir=DIR/lower,upperdir=DIR/upper,workdir=DIR/work'];

/** Starts, looks, runs a container; the daemon is stopped before its data root is taken away. */
async function look(root: Root, flags: string[] = []): Promise<{ info: string; ran: string; log: string }> {
  const daemon = await Berthd.start({ directory: root.directory, flags });
  try {
    await daemon.importBusybox();
    const { stdout: info } = await daemon.docker(['info', '-f', '{{.Driver}} {{.DriverStatus}}{{range .Warnings}}\n{{.}}{{end}}']);
    const { stdout: ran, stderr } = await daemon.docker(['run', '--rm', 'busybox', 'echo', 'ran']);
    assert.equal(stderr, '');
    return { info, ran, log: daemon.log };
  } finally {
    await daemon.stop();
  }
}

test('tmpfs: overlayfs stands on it', async () => {
  using root = rootsOn('-t', 'tmpfs', 'tmpfs');
  const { info, ran } = await look(root);
  assert.match(info, /^overlay2 \[\[Backing Filesystem tmpfs\] \[Supports d_type true\]/);
  assert.equal(ran, 'ran\n');
});

test('an overlay: whole copies, said in info and log; and they stay where overlayfs would do as well', async () => {
  using root = rootsOn(...OVERLAY);
  const { info, ran, log } = await look(root);
  assert.match(info, /^native \[\[Backing Filesystem overlayfs\] \[Supports d_type true\]\]/);
  assert.match(info, /^WARNING: overlayfs cannot stand on overlayfs at .*whole copy/m);
  assert.match(log, /overlayfs cannot stand on overlayfs/);
  assert.equal(ran, 'ran\n');
});

test('the driver that has snapshots already is taken again', async () => {
  using root = rootsOn();
  assert.match((await look(root, ['--storage-driver', 'native'])).info, /^native /);
  assert.match((await look(root)).info, /^native /);
});

const refused = async (root: Root, ...flags: string[]) => {
  await assert.rejects(Berthd.start({ directory: root.directory, flags }), (error: Error) => {
    assert.match(error.message, /berthd ended with 1/);
    throw error;
  });
};

test('what cannot be is refused: a driver that was asked for, a driver that there is not, a file system for neither', async (context) => {
  using overlay = rootsOn(...OVERLAY);
  await assert.rejects(
    refused(overlay, '--storage-driver', 'overlay2'),
    /error initializing graphdriver: driver not supported: overlay2: .*use --storage-driver native/,
  );
  using plain = rootsOn();
  await assert.rejects(
    refused(plain, '--storage-driver', 'aufs'),
    /error initializing graphdriver: driver not supported: aufs: there are: overlay2, native/,
  );
  await assert.rejects(
    refused(plain, '--storage-opt', 'overlay2.size=1G'),
    /Storage Option overlay2.size only supported for backingFS XFS/,
  );
  await assert.rejects(refused(plain, '--storage-opt', 'color=red'), /Unknown option color/);
  if ((await run('grep', ['hugetlbfs', '/proc/filesystems'])).code !== 0)
    return context.diagnostic('this kernel has no hugetlbfs, which can hold neither');
  using huge = rootsOn('-t', 'hugetlbfs', 'none');
  await assert.rejects(refused(huge), /can hold neither overlay2 \(.*\) nor native \(.*\): use another --data-root/);
});

test('a size for a container is refused where nothing keeps it, in the words of dockerd', async () => {
  await using daemon = await Berthd.start();
  await daemon.importBusybox();
  const { stderr } = await run(dockerClient(), ['create', '--storage-opt', 'size=1G', 'busybox'], { env: daemon.environment });
  assert.match(stderr, /--storage-opt is supported only for overlay over xfs with 'pquota' mount option/);
  assert.match((await daemon.docker(['create', '--storage-opt', 'color=red', 'busybox'])).stderr, /Unknown option color/);
});
