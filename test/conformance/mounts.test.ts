// Mounts and the root file system (config.md "Mounts", "Root"), and what a hostile image may try with them.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { conformance } from './suite.ts';

conformance('bind mounts are directories or files, read-only or not, and their targets are made', (laboratory) => {
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

conformance('a recursive read-only bind mount is so below other mounts too', (laboratory) => {
  const result = laboratory.run('grep -c "^[^ ]* /host/[^ ]* [^ ]* ro," /proc/self/mounts; touch /host/shm/x 2>&1', (spec) => {
    spec.mounts?.push({ destination: '/host', type: 'bind', source: '/dev', options: ['rbind', 'rro'] });
  });
  assert.match(result.stdout, /Read-only file system/);
});

conformance(
  'a tmpfs has its options, and copies up what it hides',
  (laboratory) => {
    const result = laboratory.run(
      'cat /etc/passwd | head -n 1; stat -c %a /etc; grep " /etc " /proc/self/mounts; stat -c %a /s',
      (spec) => {
        spec.mounts?.push(
          { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'nosuid', 'size=1m'] },
          { destination: '/s', type: 'tmpfs', source: 'tmpfs', options: ['mode=1750'] },
        );
      },
    );
    const [line, mode, mount, special] = result.stdout.split('\n');
    assert.match(line ?? '', /^root:/);
    assert.equal(mode, '755');
    assert.match(mount ?? '', /tmpfs rw,nosuid.*size=1024k/);
    assert.equal(special, '1750');
  },
  { crun: 'crun gives it the mode of a tmpfs, not of what it hides' },
);

conformance('a read-only root is read-only, its mounts are not', (laboratory) => {
  const result = laboratory.run('touch /x 2>&1; touch /dev/shm/x && echo ok', (spec) => {
    if (spec.root) spec.root.readonly = true;
  });
  assert.match(result.stdout, /touch: \/x: Read-only file system\nok\n/);
});

conformance(
  'symbolic links of the image lead nowhere but into the image',
  (laboratory) => {
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
  },
  { crun: 'crun makes no target behind a link that leads nowhere' },
);

conformance(
  'proc and sysfs are never mounted behind a symbolic link, and nothing into /proc',
  (laboratory) => {
    const bundle = laboratory.bundle('true');
    rmSync(join(bundle, 'rootfs/proc'), { recursive: true });
    symlinkSync('/tmp', join(bundle, 'rootfs/proc'));
    assert.match(laboratory.runtime(['run', '-b', bundle, laboratory.id()]).stderr, /must be mounted on (an )?ordinary directory/);
    const inside = laboratory.run('true', (spec) =>
      spec.mounts?.push({ destination: '/proc/sys', type: 'bind', source: '/tmp', options: ['bind'] }),
    );
    assert.match(inside.stderr, /cannot be mounted because it is inside \/proc/);
  },
  { crun: 'crun refuses in its own words, and mounts into /proc' },
);

conformance("the container's mounts do not reach the host", (laboratory) => {
  const id = laboratory.background((spec) => {
    if (spec.linux) spec.linux.rootfsPropagation = 'rslave';
  });
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(id), false);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(laboratory.directory), false);
});

conformance('a root without pivot_root', (laboratory) => {
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

conformance(
  'a container needs no mount at all, not even /proc',
  (laboratory) => {
    const result = laboratory.run('echo afloat', (spec) => {
      spec.mounts = [];
      if (spec.linux) Object.assign(spec.linux, { maskedPaths: [], readonlyPaths: [] });
    });
    assert.equal(result.stdout, 'afloat\n', result.stderr);
  },
  { runc: 'runc reads its own /proc in there' },
);
