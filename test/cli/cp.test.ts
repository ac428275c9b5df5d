import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Berthd, mountsOf } from '../harness/berthd.ts';
import { type TarEntry, tar } from '../harness/tar-archive.ts';
import { type Bench, withBothClients } from './both-clients.ts';

/** A local directory for the test, and a way to say what a command must do. */
async function at(bench: Bench, body: (directory: string, good: (...args: string[]) => Promise<string>) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-cp-'));
  try {
    await body(directory, async (...args) => {
      const result = await bench.client(args, { cwd: directory });
      assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
      return result.stdout;
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function put(bench: Bench, container: string, query: string, archive: Buffer): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: bench.daemon.socket, method: 'PUT', path: `/containers/${container}/archive?${query}` },
      (reply) => {
        let body = '';
        reply.on('data', (chunk) => {
          body += chunk;
        });
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(archive);
  });
}

const SETUP =
  'mkdir -p /d/sub; echo one >/d/one; echo two >/d/sub/two; ln -s one /d/link; ln /d/one /d/twin; ln -s /d /dirlink; ln -s /d/one /filelink; chmod 4750 /d/one; touch -d @1000000000 /d/sub/two';

withBothClients('cp', {
  'out of a container: where files and directories end up': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      await good('run', '--name', name, 'busybox', 'sh', '-c', SETUP);
      mkdirSync(join(here, 'dir'));
      await good('cp', `${name}:/d/one`, 'file');
      assert.equal(readFileSync(join(here, 'file'), 'utf8'), 'one\n');
      await good('cp', `${name}:/d/one`, 'dir');
      await good('cp', `${name}:/d`, 'dir');
      await good('cp', `${name}:/d/`, 'renamed');
      await good('cp', `${name}:/d/.`, 'contents');
      mkdirSync(join(here, 'into'));
      await good('cp', `${name}:d/.`, 'into');
      for (const place of ['dir/d', 'renamed', 'contents', 'into']) {
        assert.deepEqual(readdirSync(join(here, place)).sort(), ['link', 'one', 'sub', 'twin'], place);
        assert.equal(readFileSync(join(here, place, 'sub/two'), 'utf8'), 'two\n');
        assert.equal(readlinkSync(join(here, place, 'link')), 'one');
        assert.equal(lstatSync(join(here, place, 'sub/two')).mtimeMs, 1e12);
        assert.equal(lstatSync(join(here, place, 'one')).ino, lstatSync(join(here, place, 'twin')).ino);
      }
      assert.deepEqual(readdirSync(join(here, 'dir')).sort(), ['d', 'one']);
      await good('cp', `${name}:/filelink`, 'aslink');
      assert.equal(readlinkSync(join(here, 'aslink')), '/d/one');
      await good('cp', '-L', `${name}:/filelink`, 'followed');
      assert.equal(readFileSync(join(here, 'followed'), 'utf8'), 'one\n');
      await good('cp', '-L', `${name}:/dirlink`, 'into');
      assert.equal(readFileSync(join(here, 'into/dirlink/one'), 'utf8'), 'one\n');
      await good('rm', name);
    }),
  'into a container: where files and directories end up': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      await good(
        'run',
        '-d',
        '--name',
        name,
        'busybox',
        'sh',
        '-c',
        '[ -e /file ] || { mkdir /there; ln -s /there /thelink; echo old >/file; }; sleep 60',
      );
      await good('exec', name, 'sh', '-c', 'until [ -s /file ]; do sleep 0.01; done');
      mkdirSync(join(here, 'd/sub'), { recursive: true });
      writeFileSync(join(here, 'd/one'), 'one');
      writeFileSync(join(here, 'd/sub/two'), 'two');
      writeFileSync(join(here, 'd/empty'), '');
      chmodSync(join(here, 'd/one'), 0o640);
      symlinkSync('one', join(here, 'd/link'));
      linkSync(join(here, 'd/one'), join(here, 'd/twin'));
      for (const round of ['running', 'stopped']) {
        await good('cp', 'd/one', `${name}:/file`);
        await good('cp', 'd/one', `${name}:/new-${round}`);
        await good('cp', 'd', `${name}:/there`);
        await good('cp', 'd', `${name}:/renamed-${round}`);
        await good('cp', 'd/.', `${name}:/contents-${round}`);
        await good('cp', 'd/one', `${name}:/thelink/through-${round}`);
        await good('cp', 'd/one', `${name}:/thelink`);
        if (round === 'running') await good('stop', '-t', '0', name);
      }
      await good('start', name);
      const listed = await good(
        'exec',
        name,
        'sh',
        '-c',
        'cd /; find there renamed-* contents-* new-* file | sort; cat file; stat -c %a,%h renamed-stopped/one; readlink there/d/link',
      );
      const tree = (place: string) => ['', '/empty', '/link', '/one', '/sub', '/sub/two', '/twin'].map((path) => place + path);
      const expected = [
        ...tree('contents-running'),
        ...tree('contents-stopped'),
        'file',
        'new-running',
        'new-stopped',
        ...tree('renamed-running'),
        ...tree('renamed-stopped'),
        'there',
        ...tree('there/d'),
        'there/one',
        'there/through-running',
        'there/through-stopped',
      ];
      assert.equal(listed, `${expected.join('\n')}\none640,2\none\n`);
      await good('rm', '-f', name);
    }),
  'archives on standard input and output': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      await good('create', '--name', name, 'busybox');
      const archive = tar([{ name: 'a/' }, { name: 'a/b', body: 'hello' }]);
      const result = await bench.client(['cp', '-', `${name}:/tmp`], { input: archive });
      assert.equal(result.code, 0, result.stderr);
      const { stdout } = await bench.client(['cp', `${name}:/tmp/a`, '-']);
      writeFileSync(join(here, 'out.tar'), stdout);
      assert.equal(execFileSync('tar', ['-tf', join(here, 'out.tar')], { encoding: 'utf8' }), 'a/\na/b\n');
      await good('rm', name);
    }),
  'volumes and binds are there when the container does not run, and nothing stays mounted': (bench) =>
    at(bench, async (here, good) => {
      const [name, volume] = [bench.unique(), bench.unique()];
      mkdirSync(join(here, 'bound'));
      writeFileSync(join(here, 'x'), 'x');
      await good(
        'create',
        '--name',
        name,
        '-v',
        `${volume}:/data/deep`,
        '-v',
        `${here}/bound:/bound`,
        '-v',
        `${volume}:/ro:ro`,
        'busybox',
        'cat',
        '/data/deep/x',
      );
      await good('cp', 'x', `${name}:/data/deep/x`);
      await good('cp', 'x', `${name}:/bound`);
      assert.equal(readFileSync(join(here, 'bound/x'), 'utf8'), 'x');
      await good('cp', `${name}:/ro/x`, 'back');
      const refused = await bench.client(['cp', 'x', `${name}:/ro/y`], { cwd: here });
      assert.match(refused.stderr, /mounted volume is marked read-only/);
      assert.deepEqual(mountsOf(join(bench.daemon.dataRoot, 'volumes')), []);
      assert.equal(await good('start', '-a', name), 'x');
      await good('rm', name);
      await good('volume', 'rm', volume);
    }),
  refusals: (bench) =>
    at(bench, async (here, good) => {
      const [name, locked] = [bench.unique(), bench.unique()];
      await good('create', '--name', name, 'busybox');
      await good('create', '--read-only', '--name', locked, 'busybox');
      writeFileSync(join(here, 'x'), 'x');
      mkdirSync(join(here, 'd'));
      const cases: [string[], RegExp][] = [
        [['cp', `${name}:/absent`, '.'], /Could not find the file \/absent in container/],
        [['cp', 'absent', `${name}:/`], /lstat .*absent: no such file or directory/],
        [['cp', 'nosuch:/x', '.'], /No such container: nosuch/],
        [['cp', 'x', 'nosuch:/x'], /No such container: nosuch/],
        [['cp', 'x', 'd'], /must specify at least one container source/],
        [['cp', `${name}:/x`, `${name}:/y`], /copying between containers is not supported/],
        [['cp', 'd', `${name}:/etc/passwd`], /cannot copy directory/],
        [['cp', `${name}:/etc`, 'x'], /cannot copy directory/],
        [['cp', `${name}:/etc/passwd`, 'new/'], /no such directory/],
        [['cp', 'x', `${name}:/no/such/place`], /Could not find the file \/no\/such in container/],
        [['cp', `${name}:/etc/passwd/`, '.'], /not a directory|Could not find/],
        [['cp', 'x', `${locked}:/x`], /container rootfs is marked read-only/],
        [['cp', `${name}:/etc`, 'no/such/place'], /does not exist|no such file or directory/],
      ];
      for (const [args, message] of cases) {
        const { code, stderr } = await bench.client(args, { cwd: here });
        assert.equal(code, 1, args.join(' '));
        assert.match(stderr, message, args.join(' '));
      }
      await good('rm', name, locked);
    }),
  'the owner is the archive’s, or with -a the container’s user': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      await good('run', '-d', '-u', 'nobody', '--name', name, 'busybox', 'sleep', '60');
      const archive = tar([{ name: 'x', body: 'x' }]);
      assert.equal((await put(bench, name, 'path=/tmp', archive)).status, 200);
      assert.equal(await good('exec', name, 'stat', '-c', '%u:%g', '/tmp/x'), '0:0\n');
      writeFileSync(join(here, 'x'), 'x');
      await good('cp', '-a', 'x', `${name}:/tmp/x`);
      assert.equal(await good('exec', name, 'stat', '-c', '%u:%g', '/tmp/x'), '65534:65534\n');
      await good('rm', '-f', name);
    }),
  'CVE-2018-15664: links that come and go lead nowhere but the container': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      const secret = join(here, 'secret');
      mkdirSync(secret);
      writeFileSync(join(secret, 'key'), 'of the host');
      // The directory becomes a link to the host's path, and back, as fast as it can.
      const swap = `mkdir -p /real ${here}; echo inner >/real/key; while :; do ln -sfn /real ${secret}; rm -f ${secret}; mkdir ${secret}; rmdir ${secret}; ln -s / ${secret}; rm ${secret}; done`;
      await good('run', '-d', '--name', name, 'busybox', 'sh', '-c', swap);
      for (let turn = 0; turn < 30; turn++) {
        const { stdout } = await bench.client(['cp', `${name}:${secret}/key`, '-']);
        assert.ok(!stdout.includes('of the host'));
        await put(bench, name, `path=${encodeURIComponent(secret)}`, tar([{ name: 'planted', body: 'x' }]));
        await put(bench, name, 'path=/', tar([{ name: `${secret.slice(1)}/planted`, body: 'x', mode: 0o4777 }]));
      }
      assert.deepEqual(readdirSync(secret), ['key']);
      assert.equal(statSync(join(secret, 'key')).mode & 0o7777, 0o644);
      await good('rm', '-f', name);
    }),
  'CVE-2019-14271: libraries of the container are files like others': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      const setup =
        'for d in lib lib64 usr/lib/x86_64-linux-gnu lib/x86_64-linux-gnu; do mkdir -p /$d; for l in libnss_files.so.2 libc.so.6; do printf "\\177ELFgarbage" >/$d/$l; done; done; echo "passwd: files" >/etc/nsswitch.conf';
      await good('run', '--name', name, 'busybox', 'sh', '-c', setup);
      await good('cp', `${name}:/lib/.`, 'lib');
      await good('cp', 'lib', `${name}:/again`);
      assert.ok(existsSync(join(here, 'lib/libnss_files.so.2')));
      await good('rm', name);
    }),
  'what climbs out of an archive is refused, on both sides': (bench) =>
    at(bench, async (here, good) => {
      const name = bench.unique();
      await good('create', '--name', name, 'busybox');
      const climbing = await put(bench, name, 'path=/tmp', tar([{ name: '../climbed', body: 'x' }]));
      assert.equal(climbing.status, 400);
      assert.match(climbing.body, /name outside of its root/);
      const kinds = await put(bench, name, 'path=/&noOverwriteDirNonDir=1', tar([{ name: 'etc', body: 'x' }]));
      assert.match(kinds.body, /cannot overwrite directory \\"\/etc\\" with non-directory \\"etc\\"/);
      for (const size of [2000, 50_000_000]) {
        const noise = await put(bench, name, 'path=/tmp', Buffer.alloc(size, 'noise'));
        assert.deepEqual([noise.status, /invalid tar/.test(noise.body)], [400, true]);
      }
      assert.equal((await put(bench, name, 'path=', tar([]))).status, 400);
      // A link and then a member below its name: in the container it stays inside, here it is not followed.
      const twice: TarEntry[] = [
        { name: 'trap', linkTo: here },
        { name: 'trap/planted', body: 'x' },
      ];
      await put(bench, name, 'path=/tmp', tar(twice));
      assert.ok(!existsSync(join(here, 'planted')));
      await good('rm', name);
    }),
});

test('where snapshots are plain directories, the mounts of a copy are not the host’s', async () => {
  await using daemon = await Berthd.start({ flags: ['--storage-driver', 'vfs'] });
  // A shared mount, as the root is on most hosts, hands on what is mounted in its clones.
  await daemon.stop();
  execFileSync('mount', ['--bind', daemon.dataRoot, daemon.dataRoot]);
  try {
    execFileSync('mount', ['--make-shared', daemon.dataRoot]);
    await daemon.launch();
    await daemon.importBusybox();
    await daemon.docker(['create', '--name', 'box', '-v', 'files:/data/deep', 'busybox', 'cat', '/data/deep/f', '/g']);
    const before = mountsOf(daemon.directory);
    assert.equal((await daemon.docker(['cp', '-', 'box:/data/deep'], { input: tar([{ name: 'f', body: 'filled' }]) })).stderr, '');
    assert.equal((await daemon.docker(['cp', '-', 'box:/'], { input: tar([{ name: 'g', body: 'too' }]) })).stderr, '');
    assert.deepEqual(mountsOf(daemon.directory), before);
    assert.equal((await daemon.docker(['start', '-a', 'box'])).stdout, 'filledtoo');
    await daemon.docker(['rm', '-v', 'box']);
    await daemon.stop();
  } finally {
    await daemon.stop();
    execFileSync('umount', [daemon.dataRoot]);
  }
});

withBothClients('export', {
  'the file system comes as one archive, and import makes an image of it': (bench) =>
    at(bench, async (here, good) => {
      const [name, image] = [bench.unique(), bench.unique()];
      await good(
        'run',
        '-d',
        '--name',
        name,
        '--tmpfs',
        '/scratch',
        'busybox',
        'sh',
        '-c',
        'echo made >/made; rm /etc/group; : >/scratch/x; sleep 60',
      );
      await good('exec', name, 'sh', '-c', 'until [ -e /scratch/x ]; do :; done');
      await good('export', '-o', 'out.tar', name);
      const names = execFileSync('tar', ['-tf', join(here, 'out.tar')], { encoding: 'utf8' }).split('\n');
      for (const expected of ['made', 'bin/', 'bin/busybox', 'etc/passwd', 'scratch/']) assert.ok(names.includes(expected), expected);
      for (const missing of ['etc/group', 'scratch/x', 'proc/1/', './']) assert.ok(!names.includes(missing), missing);
      await good('import', 'out.tar', image);
      assert.equal(await good('run', '--rm', image, '/bin/cat', '/made'), 'made\n');
      await good('rm', '-f', name);
      await good('rmi', image);
      assert.match((await bench.client(['export', '-o', join(here, 'x.tar'), name])).stderr, /No such container/);
    }),
});
