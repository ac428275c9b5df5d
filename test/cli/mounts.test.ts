import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDockerd } from '../bench/dockerd.ts';
import { dockerClient, run } from '../harness/programs.ts';
import { type Bench, withBothClients } from './both-clients.ts';

async function good({ client }: Bench, ...args: string[]): Promise<string> {
  const result = await client(args);
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-mounts-'));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What `run` refuses, and with which words: the same with every client and daemon. `DIR` is an empty directory. */
const REFUSED: readonly (readonly [flags: string, words: string])[] = [
  ['-v :/x', 'invalid spec: :/x: empty section between colons'],
  ['-v aa:bb:cc:dd', 'invalid spec: aa:bb:cc:dd: too many colons'],
  [
    '-v v1:rel',
    `invalid volume specification: 'v1:rel': invalid mount config for type "volume": invalid mount path: 'rel' mount path must be absolute`,
  ],
  ['-v /:/', `invalid volume specification: '/:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`],
  ['-v v1:/x:bad', 'invalid mode: bad'],
  ['-v v1:/x:ro,rw', 'invalid mode: ro,rw'],
  ['-v DIR:/x:nocopy', 'invalid mount config for type "bind": field VolumeOptions must not be specified'],
  ['-v v1:/x:rshared', 'invalid mount config for type "volume": field BindOptions must not be specified'],
  ['-v a/b:/x', 'create a/b: "a/b" includes invalid characters for a local volume name'],
  ['--mount type=bind,dst=/x', 'invalid mount config for type "bind": field Source must not be empty'],
  ['--mount type=bind,src=DIR', 'for "--mount" flag: target is required'],
  ['--mount type=bind,src=DIR/none,dst=/x', 'invalid mount config for type "bind": bind source path does not exist: DIR/none'],
  ['--mount type=bind,src=DIR,dst=rel', `invalid mount config for type "bind": invalid mount path: 'rel' mount path must be absolute`],
  ['--mount type=foo,dst=/x', 'invalid mount config for type "foo": mount type unknown'],
  ['--mount type=bind,src=DIR,dst=/x,foo=bar', `unexpected key 'foo' in 'foo=bar'`],
  ['--mount type=bind,src=DIR,dst=/x,foo', `invalid field 'foo' must be a key=value pair`],
  ['--mount type=bind,src=DIR,dst=/x,volume-nocopy', `cannot mix 'volume-*' options with mount type 'bind'`],
  ['--mount src=v1,dst=/x,bind-propagation=rshared', `cannot mix 'bind-*' options with mount type 'volume'`],
  ['--mount type=bind,src=DIR,dst=/x,tmpfs-size=1m', `cannot mix 'tmpfs-*' options with mount type 'bind'`],
  ['--mount type=bind,src=DIR,dst=/x,bind-propagation=bad', 'invalid mount config for type "bind": invalid propagation mode: bad'],
  [
    '--mount type=bind,src=DIR,dst=/x,bind-recursive=bad',
    'invalid value for bind-recursive: bad (must be "enabled", "disabled", "writable", or "readonly")',
  ],
  [
    '--mount type=bind,src=DIR,dst=/x,bind-recursive=writable',
    "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
  ],
  ['--mount type=bind,src=DIR,dst=/x,ro,bind-recursive=readonly', "requires 'bind-propagation=rprivate' to be specified in conjunction"],
  ['--mount type=tmpfs,src=a,dst=/x', 'invalid mount config for type "tmpfs": field Source must not be specified'],
  ['--mount type=tmpfs,dst=/x,tmpfs-mode=999', 'invalid value for tmpfs-mode: 999'],
  ['--mount type=bind,src="a,dst=/x', 'parse error on line 1, column 15: bare " in non-quoted-field'],
  ['--tmpfs /x:bad=opt', 'invalid tmpfs option ["bad" "opt"]'],
  ['--tmpfs rel', `invalid mount path: 'rel' mount path must be absolute`],
];
/** The same of `volume create`. */
const REFUSED_VOLUMES: readonly (readonly [flags: string, words: string])[] = [
  ['-o color=red v1', 'create v1: invalid option: "color"'],
  ['-o o=bind v1', 'create v1: missing required option: "device"'],
  ['-o type=none -o o=bind v1', 'create v1: missing required option: "device"'],
  ['-o device=/tmp -o o=bind v1', 'create v1: missing required option: "type"'],
  ['-o size=abc v1', "create v1: invalid size: 'abc'"],
  ['x', 'create x: volume name is too short, names should be at least two alphanumeric characters'],
  ['-d nosuch v1', 'create v1: error looking up volume plugin nosuch: plugin "nosuch" not found'],
];

/** What is said differently from the table, one line each. */
async function differences(client: (args: string[]) => Promise<{ code: number; stderr: string }>): Promise<string[]> {
  const wrong: string[] = [];
  await withDirectory(async (directory) => {
    const ask = async (args: string[], words: string) => {
      const { code, stderr } = await client(args);
      if (code === 0 || !stderr.replaceAll('\\"', '"').includes(words))
        wrong.push(`${args.join(' ')}: ${stderr.trim()}\n  instead of: ${words}`);
    };
    for (const [flags, words] of REFUSED) {
      const [flag = '', value = ''] = flags.replaceAll('DIR', directory).split(' ');
      await ask(['run', '--rm', flag, value, 'busybox', 'true'], words.replaceAll('DIR', directory));
    }
    for (const [flags, words] of REFUSED_VOLUMES) await ask(['volume', 'create', ...flags.split(' ')], words);
  });
  return wrong;
}

withBothClients('mounts', {
  'what is refused, and in which words': async ({ client }) => assert.deepEqual(await differences(client), []),
  'a file is bound; -v makes a directory that is missing': (bench) =>
    withDirectory(async (directory) => {
      writeFileSync(join(directory, 'file'), 'bound');
      assert.equal(await good(bench, 'run', '--rm', '-v', `${directory}/file:/etc/file`, 'busybox', 'cat', '/etc/file'), 'bound');
      await good(bench, 'run', '--rm', '-v', `${directory}/new/one:/x`, 'busybox', 'touch', '/x/y');
      assert.equal(readFileSync(join(directory, 'new/one/y'), 'utf8'), '');
      const made = `type=bind,src=${directory}/made,dst=/x,bind-create-src=true`;
      // The machine's docker client may be older than the option.
      if (bench.name === 'berth') await good(bench, 'run', '--rm', '--mount', made, 'busybox', 'touch', '/x/y');
    }),
  'read-only goes for what is mounted below, unless told otherwise': (bench) =>
    withDirectory(async (directory) => {
      mkdirSync(join(directory, 'below'));
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(directory, 'below')]);
      try {
        const touch = async (options: string) =>
          (await bench.client(['run', '--rm', '--mount', `type=bind,src=${directory},dst=/x${options}`, 'busybox', 'touch', '/x/below/y']))
            .code;
        assert.equal(await touch(',ro'), 1);
        assert.equal(await touch(',ro,bind-recursive=writable'), 0);
        assert.equal(await touch(',ro,bind-recursive=readonly,bind-propagation=rprivate'), 1);
        const seen = await good(
          bench,
          'run',
          '--rm',
          '--mount',
          `type=bind,src=${directory},dst=/x,bind-recursive=disabled`,
          'busybox',
          'ls',
          '/x/below',
        );
        assert.equal(seen, '');
        execFileSync('mount', ['-o', 'remount,bind,ro', join(directory, 'below')]);
        assert.equal(await touch(''), 1, 'what is read-only on the host became writable');
      } finally {
        execFileSync('umount', [join(directory, 'below')]);
      }
    }),
  'propagation: rshared to the container and back, rslave one way, a private source is refused': (bench) =>
    withDirectory(async (directory) => {
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', directory]);
      const unmount = (path: string) => execFileSync('umount', ['-l', path]);
      try {
        execFileSync('mount', ['--make-private', directory]);
        const refused = await bench.client(['run', '--rm', '-v', `${directory}:/x:rshared`, 'busybox', 'true']);
        assert.match(refused.stderr, new RegExp(`path ${directory} is mounted on ${directory} but it is not a shared mount`));
        execFileSync('mount', ['--make-shared', directory]);
        for (const name of ['in', 'out', 'slave']) mkdirSync(join(directory, name));
        const names = [bench.unique(), bench.unique()];
        const [shared, slave] = names as [string, string];
        await good(
          bench,
          'run',
          '-d',
          '--name',
          shared,
          '--cap-add',
          'SYS_ADMIN',
          '--security-opt',
          'seccomp=unconfined',
          '-v',
          `${directory}:/x:rshared`,
          'busybox',
          'sleep',
          '60',
        );
        await good(
          bench,
          'run',
          '-d',
          '--name',
          slave,
          '--cap-add',
          'SYS_ADMIN',
          '--security-opt',
          'seccomp=unconfined',
          '-v',
          `${directory}:/x:rslave`,
          'busybox',
          'sleep',
          '60',
        );
        execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(directory, 'in')]);
        writeFileSync(join(directory, 'in/from-host'), '');
        for (const name of names) assert.equal(await good(bench, 'exec', name, 'ls', '/x/in'), 'from-host\n');
        await good(bench, 'exec', shared, 'sh', '-c', 'mount -t tmpfs t /x/out && touch /x/out/from-container');
        await good(bench, 'exec', slave, 'sh', '-c', 'mount -t tmpfs t /x/slave && touch /x/slave/from-container');
        assert.equal(execFileSync('ls', [join(directory, 'out')], { encoding: 'utf8' }), 'from-container\n');
        assert.equal(execFileSync('ls', [join(directory, 'slave')], { encoding: 'utf8' }), '');
        unmount(join(directory, 'out'));
        unmount(join(directory, 'in'));
        await good(bench, 'rm', '-f', ...names);
      } finally {
        unmount(directory);
      }
    }),
  'tmpfs: options of both flags, the mode of what it covers': async (bench) => {
    const shown = (...flags: string[]) =>
      good(bench, 'run', '--rm', ...flags, 'busybox', 'sh', '-c', 'grep " /[xu] " /proc/mounts; stat -c %a /x');
    assert.equal(await shown('--tmpfs', '/x'), 'tmpfs /x tmpfs rw,nosuid,nodev,noexec,relatime 0 0\n1777\n');
    assert.equal(
      await shown('--tmpfs', '/x:size=1m,exec,uid=5,mode=700'),
      'tmpfs /x tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=700,uid=5 0 0\n700\n',
    );
    assert.equal(
      await shown('--mount', 'type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1770,ro'),
      'tmpfs /x tmpfs ro,nosuid,nodev,noexec,relatime,size=1024k,mode=1770 0 0\n1770\n',
    );
    assert.equal(await good(bench, 'run', '--rm', '--tmpfs', '/root', 'busybox', 'stat', '-c', '%a', '/root'), '700\n');
  },
  'a tmpfs volume is one for all who have it, and is gone with the last of them': async (bench) => {
    const [volume, first] = [bench.unique(), bench.unique()];
    await good(bench, 'volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m', volume);
    await good(
      bench,
      'run',
      '-d',
      '--name',
      first,
      '-v',
      `${volume}:/x`,
      'busybox',
      'sh',
      '-c',
      'echo shared >/x/f; mkdir /x/d; touch /x/d/e; sleep 60',
    );
    assert.equal(
      await good(bench, 'run', '--rm', '-v', `${volume}:/y:ro`, 'busybox', 'sh', '-c', 'until cat /y/f 2>/dev/null; do :; done'),
      'shared\n',
    );
    const subpath = `src=${volume},dst=/z,volume-subpath=d`;
    assert.equal(
      await good(bench, 'run', '--rm', '--mount', subpath, 'busybox', 'sh', '-c', 'until [ -f /z/e ]; do :; done; ls /z'),
      'e\n',
    );
    await bench.daemon.kill();
    await bench.daemon.launch();
    assert.equal(await good(bench, 'run', '--rm', '-v', `${volume}:/y`, 'busybox', 'cat', '/y/f'), 'shared\n');
    await good(bench, 'rm', '-f', first);
    assert.equal(await good(bench, 'run', '--rm', '-v', `${volume}:/y`, 'busybox', 'ls', '/y'), '');
    await good(bench, 'volume', 'rm', volume);
  },
  'a volume with a size: no room beyond it, and its files stay': async (bench) => {
    const [volume, name] = [bench.unique(), bench.unique()];
    await good(bench, 'volume', 'create', '-o', 'size=8M', volume);
    const run = (script: string) => bench.client(['run', '--rm', '-v', `${volume}:/v`, 'busybox', 'sh', '-c', script]);
    assert.deepEqual(await run('ls -A /v; dd if=/dev/zero of=/v/fits bs=1M count=7 2>/dev/null && echo fits'), {
      code: 0,
      stdout: 'fits\n',
      stderr: '',
    });
    assert.match((await run('dd if=/dev/zero of=/v/more bs=1M count=4 2>&1')).stdout, /No space left on device|Disk quota exceeded/);
    assert.equal((await run('rm /v/more; stat -c %s /v/fits')).stdout, `${7 << 20}\n`);
    await good(bench, 'run', '-d', '--name', name, '-v', `${volume}:/v`, 'busybox', 'sleep', '60');
    assert.match(await good(bench, 'system', 'df', '-v'), new RegExp(`${volume} +1 +7\\.\\d+MB`));
    await bench.daemon.kill();
    await bench.daemon.launch();
    assert.equal((await run('ls /v')).stdout, 'fits\n');
    await good(bench, 'rm', '-f', name);
    await good(bench, 'volume', 'rm', volume);
  },
  'an image as a mount: read-only, as a whole and a part of it': async (bench) => {
    const listed = await good(
      bench,
      'run',
      '--rm',
      '--mount',
      'type=image,src=busybox,dst=/i',
      'busybox',
      'sh',
      '-c',
      'ls /i; touch /i/x 2>/dev/null || echo read-only',
    );
    assert.match(listed, /^bin\n.*\nread-only\n$/s);
    const part = ['--mount', 'type=image,src=busybox,dst=/i,image-subpath=etc'];
    assert.equal(await good(bench, 'run', '--rm', ...part, 'busybox', 'cat', '/i/group'), 'root:x:0:\nnogroup:x:65534:\n');
    const none = await bench.client(['run', '--rm', '--mount', 'type=image,src=busybox,dst=/i,image-subpath=nosuch', 'busybox', 'true']);
    assert.match(none.stderr, /cannot access path busybox\/nosuch: no such file or directory/);
    const name = bench.unique();
    await good(bench, 'tag', 'busybox', name);
    const missing = await bench.client(['create', '--mount', 'type=image,src=nosuch:1,dst=/i', 'busybox']);
    assert.notEqual(missing.code, 0);
    await good(bench, 'rmi', name);
  },
  'a subpath never leads out of its volume': async (bench) => {
    const volume = bench.unique();
    await good(bench, 'volume', 'create', volume);
    const path = (await good(bench, 'volume', 'inspect', '-f', '{{.Mountpoint}}', volume)).trim();
    symlinkSync('/', join(path, 'out'));
    const asked = (subpath: string) =>
      bench.client(['run', '--rm', '--mount', `src=${volume},dst=/z,volume-subpath=${subpath}`, 'busybox', 'ls', '/z']);
    // Inside the volume `/` is the volume.
    assert.equal((await asked('out')).stdout, 'out\n');
    assert.match((await asked('../..')).stderr, /subpath must be a relative path within the volume/);
    assert.match((await asked('out/etc')).stderr, /cannot access path .*out\/etc: no such file or directory/);
    await good(bench, 'volume', 'rm', volume);
  },
  'copy-up keeps owners, modes, attributes, hard and symbolic links': async (bench) => {
    const [image, first, volume] = [bench.unique(), bench.unique(), bench.unique()];
    const script =
      'mkdir -p /d/sub && cd /d && echo one >a && ln a b && ln -s a c && mkfifo p && chown -h 3:4 a c && chmod 4711 a && chmod 777 sub && chown 7:8 /d && chmod 2770 /d';
    await good(bench, 'run', '--name', first, 'busybox', 'sh', '-c', script);
    await good(bench, 'commit', first, image);
    await good(bench, 'rm', first);
    const look = 'stat -c "%n %u:%g %a %h %F" /d /d/*; readlink /d/c';
    const direct = await good(bench, 'run', '--rm', image, 'sh', '-c', look);
    assert.equal(await good(bench, 'run', '--rm', '-v', `${volume}:/d`, image, 'sh', '-c', look), direct);
    assert.match(direct, /\/d\/a 3:4 4711 2 regular file/);
    await good(bench, 'volume', 'rm', volume);
    await good(bench, 'rmi', image);
  },
});

test('dockerd says the same', async (context) => {
  const started = await startDockerd();
  if (typeof started === 'string') return context.skip(started);
  await using dockerd = started;
  assert.deepEqual(await differences((args) => run(dockerClient(), args, { env: dockerd.environment })), []);
});
