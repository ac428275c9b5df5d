// Mounts, /dev, masked and read-only paths, propagation, and what a hostile image may try with them.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IS_BERTH, Laboratory } from './laboratory.ts';

test('bind mounts are directories or files, read-only or not, and their targets are made', (t) => {
  const laboratory = Laboratory.open(t);
  const shared = join(laboratory.directory, 'shared');
  mkdirSync(shared);
  writeFileSync(join(shared, 'file'), 'cargo\n');
  const result = laboratory.run(
    'cat /a/b/file /c/file; touch /a/b/x 2>&1; touch /c/d/y; grep -E " /(a/b|c/d) " /proc/self/mounts | grep -o " r[ow],[^ ]*"',
    (spec) => {
      spec.mounts?.push(
        { destination: '/a/b', type: 'bind', source: shared, options: ['rbind', 'ro', 'nosuid', 'nodev'] },
        { destination: '/c/d', type: 'bind', source: shared, options: ['bind', 'rw'] },
        { destination: '/c/file', type: 'bind', source: join(shared, 'file'), options: ['bind'] },
      );
    },
  );
  const lines = result.stdout.split('\n');
  assert.deepEqual(lines.slice(0, 2), ['cargo', 'cargo']);
  assert.match(lines[2] ?? '', /Read-only file system/);
  assert.match(lines[3] ?? '', /^ ro,nosuid,nodev/);
  assert.match(lines[4] ?? '', /^ rw/);
  assert.equal(existsSync(join(shared, 'y')), true);
});

test('a recursive read-only bind mount is so below other mounts too', (t) => {
  const laboratory = Laboratory.open(t);
  const result = laboratory.run('grep -c "^[^ ]* /host/[^ ]* [^ ]* ro," /proc/self/mounts; touch /host/shm/x 2>&1', (spec) => {
    spec.mounts?.push({ destination: '/host', type: 'bind', source: '/dev', options: ['rbind', 'rro'] });
  });
  assert.match(result.stdout, /Read-only file system/);
});

test('a tmpfs has its options, and copies up what it hides', (t) => {
  const laboratory = Laboratory.open(t);
  const result = laboratory.run('cat /etc/passwd | head -n 1; stat -c %a /etc; grep " /etc " /proc/self/mounts; stat -c %a /s', (spec) => {
    spec.mounts?.push(
      { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'nosuid', 'size=1m'] },
      { destination: '/s', type: 'tmpfs', source: 'tmpfs', options: ['mode=1750'] },
    );
  });
  const [line, mode, mount, special] = result.stdout.split('\n');
  assert.match(line ?? '', /^root:/);
  assert.equal(mode, '755');
  assert.match(mount ?? '', /tmpfs rw,nosuid.*size=1024k/);
  assert.equal(special, '1750');
});

test('a read-only root is read-only, its mounts are not', (t) => {
  const result = Laboratory.open(t).run('touch /x 2>&1; touch /dev/shm/x && echo ok', (spec) => {
    if (spec.root) spec.root.readonly = true;
  });
  assert.match(result.stdout, /touch: \/x: Read-only file system\nok\n/);
});

test('/dev has the default devices, links and those that were asked for', (t) => {
  const script =
    'for f in null zero full random urandom tty; do stat -c "%n %a %t:%T" /dev/$f; done; for l in ptmx fd stdin stdout stderr; do readlink /dev/$l; done; stat -c "%F %a %u %t:%T" /dev/net/x; echo gone >/dev/null';
  const result = Laboratory.open(t).run(script, (spec) => {
    if (spec.linux) spec.linux.devices = [{ path: '/dev/net/x', type: 'c', major: 10, minor: 200, fileMode: 0o640, uid: 7, gid: 8 }];
  });
  assert.deepEqual(result.stdout.trim().split('\n'), [
    '/dev/null 666 1:3',
    '/dev/zero 666 1:5',
    '/dev/full 666 1:7',
    '/dev/random 666 1:8',
    '/dev/urandom 666 1:9',
    '/dev/tty 666 5:0',
    'pts/ptmx',
    '/proc/self/fd',
    '/proc/self/fd/0',
    '/proc/self/fd/1',
    '/proc/self/fd/2',
    'character special file 640 7 a:c8',
  ]);
  assert.equal(result.stderr, '');
});

test('masked paths show nothing, read-only ones take nothing', (t) => {
  const result = Laboratory.open(t).run(
    'cat /proc/keys | wc -c; ls /sys/firmware | wc -l; cat /secret; echo 1 >/proc/sys/kernel/domainname',
    (spec) => {
      if (!spec.linux) return;
      spec.linux.maskedPaths = ['/proc/keys', '/sys/firmware', '/secret', '/not/there'];
      spec.mounts?.push({ destination: '/secret', type: 'bind', source: '/etc/hostname', options: ['bind'] });
    },
  );
  assert.equal(result.stdout, '0\n0\n');
  assert.match(result.stderr, /Read-only file system/);
});

test('symbolic links of the image lead nowhere but into the image', (t) => {
  const laboratory = Laboratory.open(t);
  const outside = join(laboratory.directory, 'outside');
  mkdirSync(outside);
  const bundle = laboratory.bundle('cat /link/up/file; cat /dangling/file', (spec) => {
    for (const destination of ['/link/up/file', '/dangling/file'])
      spec.mounts?.push({ destination, type: 'bind', source: '/etc/hostname', options: ['bind', 'ro'] });
  });
  symlinkSync('../../../../../../../../..'.concat(outside), join(bundle, 'rootfs', 'link'));
  symlinkSync('/made/later', join(bundle, 'rootfs', 'dangling'));
  const hostname = readFileSync('/etc/hostname', 'utf8');
  const result = laboratory.runtime(['run', '-b', bundle, laboratory.id()]);
  assert.equal(result.stdout, hostname + hostname);
  assert.equal(existsSync(join(outside, 'up')), false);
  assert.ok(statSync(join(bundle, 'rootfs', 'made/later/file')).isFile());
  assert.ok(statSync(join(bundle, `rootfs${outside}/up/file`)).isFile());
});

test('proc and sysfs are never mounted behind a symbolic link, and nothing into /proc', (t) => {
  const laboratory = Laboratory.open(t);
  const bundle = laboratory.bundle('true');
  rmSync(join(bundle, 'rootfs/proc'), { recursive: true });
  symlinkSync('/tmp', join(bundle, 'rootfs/proc'));
  assert.match(laboratory.runtime(['run', '-b', bundle, laboratory.id()]).stderr, /must be mounted on (an )?ordinary directory/);
  const inside = laboratory.run('true', (spec) =>
    spec.mounts?.push({ destination: '/proc/sys', type: 'bind', source: '/tmp', options: ['bind'] }),
  );
  assert.match(inside.stderr, /cannot be mounted because it is inside \/proc/);
});

test("the container's mounts do not reach the host", (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background((spec) => {
    if (spec.linux) spec.linux.rootfsPropagation = 'rslave';
  });
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(id), false);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(laboratory.directory), false);
});

test("the cgroup file system shows the container's own cgroups, read-only", {
  skip: IS_BERTH ? false : 'the controllers differ with the version',
}, (t) => {
  const result = Laboratory.open(t).run(
    'cat /sys/fs/cgroup/pids/cgroup.procs | grep -c .; cat /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/x 2>&1',
    (spec) => {
      if (spec.linux) spec.linux.resources = { pids: { limit: 23 } };
    },
  );
  assert.match(result.stdout, /^[12345]\n23\n.*Read-only file system/);
});

test('a root without pivot_root', (t) => {
  const laboratory = Laboratory.open(t);
  const result = laboratory.runtime([
    'run',
    '--no-pivot',
    '-b',
    laboratory.bundle('ls / | grep -c bin; cat /proc/self/mounts | wc -l'),
    laboratory.id(),
  ]);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /^1\n/);
});

test("without a cgroup namespace the container's own cgroups are bound", {
  skip: IS_BERTH ? false : 'the controllers differ with the version',
}, (t) => {
  const laboratory = Laboratory.open(t);
  const result = laboratory.run(
    'cat /sys/fs/cgroup/pids/pids.max; cat /proc/self/cgroup | grep pids; touch /sys/fs/cgroup/x 2>&1',
    (spec) => {
      if (!spec.linux) return;
      spec.linux.resources = { pids: { limit: 24 } };
      spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'cgroup');
    },
  );
  assert.match(result.stdout, /^24\n\d+:pids:\/berth-runtime-.*\n.*Read-only file system/);
});
