// Published weaknesses of runc, crun and youki, by number: what each was about, and what protects Berth's runtime. RUNTIME=/usr/sbin/runc
// runs the same tests against another runtime: one that has a weakness fails its test. CVE-2019-5736 is in proc-exe-cve.test.ts.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Mount, Spec } from '@berth/oci/runtime-spec';
import { Laboratory, RUNTIME } from '../runtime/laboratory.ts';

interface Image {
  laboratory: Laboratory;
  /** Where the image's author puts what he likes. */
  rootfs: string;
  run(): { code: number; stdout: string; stderr: string };
}

function image(t: TestContext, script: string, change: (spec: Spec) => void = () => {}): Image {
  const laboratory = Laboratory.open(t);
  const bundle = laboratory.bundle(script, change);
  return { laboratory, rootfs: join(bundle, 'rootfs'), run: () => laboratory.runtime(['run', '--bundle', bundle, laboratory.id()]) };
}

function replaceByLink(rootfs: string, name: string, target: string): void {
  rmSync(join(rootfs, name), { recursive: true, force: true });
  symlinkSync(target, join(rootfs, name));
}

const bind = (source: string, destination: string): Mount => ({ type: 'bind', source, destination, options: ['bind'] });

test('CVE-2016-3697: a user is a number, whatever the image calls its users', (t) => {
  const { run, rootfs } = image(t, 'id -u', (spec) => {
    if (spec.process) spec.process.user = { uid: 1000, gid: 1000 };
  });
  writeFileSync(join(rootfs, 'etc/passwd'), '1000:x:0:0:root:/root:/bin/sh\n');
  assert.equal(run().stdout.trim(), '1000');
});

test('CVE-2016-9962: nobody in a container looks into a process that is about to be executed there', (t) => {
  if (spawnSync('strace', ['-V']).error) {
    t.skip('needs strace: apt-get install strace');
    return;
  }
  const laboratory = Laboratory.open(t);
  // Root without CAP_SYS_PTRACE: a process that may be dumped would show it its descriptors all the same.
  const spy =
    'while :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) ls -l $p/fd 2>/dev/null; readlink $p/cwd; esac; done >>/tmp/seen 2>/dev/null; usleep 20000; done';
  const id = laboratory.background(undefined, spy);
  const { rootfs } = laboratory.state(id);
  // The last step is held up for as long as it takes to be seen.
  const args = [
    '-f',
    '-o',
    '/dev/null',
    '-e',
    'trace=execve',
    '-e',
    'inject=execve:delay_enter=400000',
    RUNTIME,
    '--root',
    laboratory.root,
    'exec',
    id,
    'true',
  ];
  execFileSync('strace', args, { cwd: laboratory.directory, stdio: 'ignore', timeout: 30_000 });
  const seen = readFileSync(join(rootfs, 'tmp/seen'), 'utf8');
  assert.doesNotMatch(seen, /socket:|berth|\/tmp\//);
});

test("CVE-2019-16884: an image's link into /proc takes no mount, so that labels are written to the true procfs", (t) => {
  const { rootfs, run, laboratory } = image(t, 'cat /proc/self/attr/x /proc/self/comm', (spec) =>
    spec.mounts?.push(bind('/etc', '/volume/self/attr')),
  );
  symlinkSync('/proc', join(rootfs, 'volume'));
  const { code, stderr } = run();
  assert.equal(code, 1);
  assert.match(stderr, /cannot be mounted because it is inside \/proc/);
  const direct = laboratory.run('true', (spec) => spec.mounts?.push(bind('/etc', '/proc/self/attr')));
  assert.match(direct.stderr, /inside \/proc/);
});

for (const [number, name] of [
  ['CVE-2019-19921', 'proc'],
  ['CVE-2023-27561', 'proc'],
  ['CVE-2023-28642', 'sys'],
] as const) {
  test(`${number}: /${name} is mounted on a directory, never through a link of the image`, (t) => {
    const { rootfs, run } = image(t, 'true');
    mkdirSync(join(rootfs, 'elsewhere'));
    replaceByLink(rootfs, name, number === 'CVE-2023-27561' ? '../../elsewhere' : '/elsewhere');
    const { code, stderr } = run();
    assert.equal(code, 1);
    assert.match(stderr, /must be mounted on ordinary directory/);
  });
}

test('CVE-2021-30465, CVE-2024-45310: a directory that becomes a link meanwhile leads no mount, and no new directory, out of the root', async (t) => {
  const { rootfs, run, laboratory } = image(t, 'true', (spec) => {
    for (let n = 0; n < 20; n++) spec.mounts?.push(bind('/etc', `/race/new-${n}`));
  });
  const outside = join(laboratory.directory, 'outside');
  mkdirSync(outside);
  // Swaps /race between a directory and links to the host, as fast as it can.
  const swapper = spawn(
    process.execPath,
    [
      '-e',
      `const fs = require('node:fs'); const [root, outside] = process.argv.slice(1); process.chdir(root);
       for (const end = Date.now() + 20_000; Date.now() < end; ) {
         try { fs.mkdirSync('race'); } catch {}
         try { fs.renameSync('race', 'away'); fs.symlinkSync(outside, 'race'); fs.renameSync('race', 'link'); fs.renameSync('away', 'race'); fs.unlinkSync('link'); } catch { try { fs.rmSync('race', { recursive: true, force: true }); fs.rmSync('away', { recursive: true, force: true }); } catch {} }
       }`,
      rootfs,
      outside,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => swapper.once('exit', resolve));
  try {
    for (let attempt = 0; attempt < 5; attempt++) run();
  } finally {
    swapper.kill('SIGKILL');
    await ended;
  }
  assert.deepEqual(readdirSync(outside), []);
});

test('CVE-2024-45310: what is missing of a path through a link is made inside the root', (t) => {
  const { rootfs, run, laboratory } = image(t, 'ls /link/', (spec) => spec.mounts?.push(bind('/etc', '/link/made')));
  const outside = join(laboratory.directory, 'outside');
  mkdirSync(outside);
  symlinkSync(`../../../../../..${outside}`, join(rootfs, 'link'));
  const { code, stdout, stderr } = run();
  assert.equal(code, 0, stderr);
  assert.equal(stdout.trim(), 'made');
  assert.deepEqual(readdirSync(outside), []);
});

test('CVE-2022-0492: a container has no release_agent to write to', (t) => {
  const { run } = image(
    t,
    'for f in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do test -e $f && echo found $f; done; mkdir /sys/fs/cgroup/x 2>&1; mkdir /sys/fs/cgroup/memory/x 2>&1; true',
    (spec) => {
      if (spec.linux && !spec.linux.namespaces?.some(({ type }) => type === 'cgroup')) spec.linux.namespaces?.push({ type: 'cgroup' });
    },
  );
  const { code, stdout, stderr } = run();
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /found/);
  assert.match(stdout, /Read-only file system/);
});

test('CVE-2022-27650, CVE-2022-29162: no process gets inheritable capabilities that nobody asked for', (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.background();
  const inheritable = (args: string[]) =>
    /CapInh:\s*(\w+)/.exec(laboratory.runtime(['exec', ...args, id, 'cat', '/proc/self/status']).stdout)?.[1];
  assert.equal(inheritable([]), '0000000000000000');
  assert.equal(inheritable(['--cap', 'CAP_SYS_CHROOT']), '0000000000000000');
  assert.match(laboratory.run('cat /proc/self/status').stdout, /CapInh:\s*0000000000000000/);
});

test("CVE-2023-25809: a user's container without a cgroup namespace cannot write to the user's cgroups", (t) => {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields.includes('cgroup2'));
  if (!mount?.[4]) {
    t.skip('no cgroup v2 hierarchy is mounted here');
    return;
  }
  const laboratory = Laboratory.open(t);
  const delegated = join(mount[4], laboratory.id());
  mkdirSync(delegated);
  t.after(() => rmdirSync(delegated));
  const USER = 300_000;
  chownSync(delegated, USER, USER);
  // What \`spec --rootless\` writes, with a user that owns the delegated cgroup.
  const template = join(laboratory.directory, 'template');
  mkdirSync(template);
  laboratory.runtime(['spec', '--rootless', '--bundle', template]);
  const rootless = JSON.parse(readFileSync(join(template, 'config.json'), 'utf8')) as Spec;
  const bundle = laboratory.bundle(`touch /tmp/here && mkdir ${delegated}/escaped 2>&1`, (spec) => {
    spec.mounts = rootless.mounts ?? [];
    spec.linux = rootless.linux ?? {};
    spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'cgroup') ?? [];
    spec.linux.uidMappings = [{ containerID: 0, hostID: USER, size: 65536 }];
    spec.linux.gidMappings = [{ containerID: 0, hostID: USER, size: 65536 }];
  });
  execFileSync('chown', ['-R', `${USER}:${USER}`, join(bundle, 'rootfs')]);
  for (const directory of [laboratory.directory, bundle]) chmodSync(directory, 0o755);
  const { stdout, stderr } = laboratory.runtime(['run', '--bundle', bundle, laboratory.id()]);
  const escaped = existsSync(join(delegated, 'escaped'));
  if (escaped) rmdirSync(join(delegated, 'escaped'));
  assert.equal(escaped, false);
  assert.match(stdout, /Read-only file system/, stderr);
});

test('CVE-2024-21626: no descriptor of the runtime leads out of the container, neither as working directory nor as program', (t) => {
  const laboratory = Laboratory.open(t);
  const background = laboratory.background();
  // Those below are Node's own; what the runtime opens comes after them.
  for (let fd = 16; fd < 28; fd++) {
    const cwd = `/proc/self/fd/${fd}`;
    const created = laboratory.run('ls -d ../../../../../home ../../../../../../../boot 2>/dev/null; pwd', (spec) => {
      if (spec.process) spec.process.cwd = cwd;
    });
    assert.equal(created.code, 1, `${cwd}: ${created.stdout}`);
    const executed = laboratory.runtime(['exec', '--cwd', cwd, background, 'ls', '../../../../../..']);
    assert.notEqual(executed.code, 0, `${cwd}: ${executed.stdout}`);
  }
  // The shell's glob opens the directory itself.
  assert.match(laboratory.run('ls /proc/self/fd | wc -l').stdout, /^[1-4]\n$/);
});

test('CVE-2025-31133: paths are masked with the null device, not with what the image put in its place', (t) => {
  const { rootfs, run, laboratory } = image(t, 'echo shown; cat /masked', (spec) => {
    spec.mounts = spec.mounts?.filter(({ destination }) => !destination.startsWith('/dev')) ?? [];
    if (spec.linux) spec.linux.maskedPaths = ['/masked'];
  });
  const victim = join(laboratory.directory, 'victim');
  writeFileSync(victim, 'of the host');
  writeFileSync(join(rootfs, 'masked'), 'secret');
  symlinkSync('/etc/other', join(rootfs, 'dev/null'));
  writeFileSync(join(rootfs, 'etc/other'), 'shown through the mask');
  const { stdout } = run();
  assert.doesNotMatch(stdout, /through the mask|secret/);
});

test('CVE-2025-52565: the terminal is mounted on /dev/console itself, not where a link of the image leads', (t) => {
  const { rootfs, run } = image(t, 'grep " /etc/victim " /proc/self/mountinfo; true', (spec) => {
    spec.mounts = spec.mounts?.filter(({ destination }) => destination !== '/dev') ?? [];
    if (spec.process) spec.process.terminal = true;
  });
  writeFileSync(join(rootfs, 'etc/victim'), '');
  symlinkSync('/etc/victim', join(rootfs, 'dev/console'));
  const { code, stdout, stderr } = run();
  assert.equal(stdout, '');
  assert.equal(code, 1);
  assert.match(stderr, /symbolic link/);
});

test('CVE-2025-52881: sysctls are written to a procfs, not to files that look like one', (t) => {
  const { rootfs, run } = image(t, 'true', (spec) => {
    spec.mounts = spec.mounts?.filter(({ type }) => type !== 'proc') ?? [];
    if (spec.linux) Object.assign(spec.linux, { sysctl: { 'net.ipv4.ip_forward': '1' }, maskedPaths: [], readonlyPaths: [] });
  });
  mkdirSync(join(rootfs, 'proc/sys/net/ipv4'), { recursive: true });
  writeFileSync(join(rootfs, 'proc/sys/net/ipv4/ip_forward'), 'as it was');
  const { code } = run();
  assert.equal(code, 1);
  assert.equal(readFileSync(join(rootfs, 'proc/sys/net/ipv4/ip_forward'), 'utf8'), 'as it was');
});
