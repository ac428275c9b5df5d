import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tar } from '../harness/tar-archive.ts';
import { VolumePlugin } from '../harness/volume-plugin.ts';
import { type Bench, withBothClients } from './both-clients.ts';

async function good({ client }: Bench, ...args: string[]): Promise<string> {
  const result = await client(args);
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** A plugin named by `announce`, which puts its socket or spec file where the daemon looks. */
async function withPlugin(
  bench: Bench,
  form: 'socket' | 'spec' | 'json',
  body: (plugin: VolumePlugin, driver: string) => Promise<void>,
): Promise<void> {
  const driver = `plug-${bench.unique()}`;
  const [plugins, files] = [join(bench.daemon.execRoot, 'plugins'), mkdtempSync(join(tmpdir(), 'berth-plugin-'))];
  mkdirSync(plugins, { recursive: true });
  const socket = form === 'socket' ? join(plugins, `${driver}.sock`) : join(files, 'p.sock');
  await using plugin = await VolumePlugin.listen(socket, join(files, 'volumes'));
  if (form === 'spec') writeFileSync(join(plugins, `${driver}.spec`), `unix://${socket}\n`);
  if (form === 'json') writeFileSync(join(plugins, `${driver}.json`), JSON.stringify({ Name: driver, Addr: `unix://${socket}` }));
  try {
    await body(plugin, driver);
  } finally {
    rmSync(files, { recursive: true, force: true });
    for (const name of ['sock', 'spec', 'json']) rmSync(join(plugins, `${driver}.${name}`), { force: true });
  }
}

withBothClients('volumes', {
  'filters: dangling, driver, label, name': async (bench) => {
    const [used, idle] = [bench.unique(), bench.unique()];
    await good(bench, 'volume', 'create', '--label', 'tier=db', used);
    await good(bench, 'volume', 'create', '--label', 'tier', idle);
    const container = (await good(bench, 'create', '-v', `${used}:/data`, 'busybox')).trim();
    const list = async (...filters: string[]) =>
      (await good(bench, 'volume', 'ls', '-q', ...filters.flatMap((one) => ['--filter', one]))).split('\n').filter(Boolean);
    assert.deepEqual(await list('dangling=true'), [idle]);
    assert.deepEqual(await list('dangling=false'), [used]);
    assert.deepEqual(await list('label=tier=db'), [used]);
    assert.deepEqual((await list('label=tier')).sort(), [used, idle].sort());
    assert.deepEqual(await list(`name=${idle}`, 'driver=local'), [idle]);
    assert.deepEqual(await list('driver=other'), []);
    assert.match((await bench.client(['volume', 'rm', used])).stderr, new RegExp(`volume is in use - \\[${container}\\]`));
    await good(bench, 'rm', container);
    await good(bench, 'volume', 'rm', used, idle);
  },
  'prune takes what was made up for a container, and named ones with --all': async (bench) => {
    const named = bench.unique();
    await good(bench, 'volume', 'create', '--label', 'keep=no', named);
    const container = (await good(bench, 'create', '-v', '/anonymous', 'busybox')).trim();
    const [anonymous] = (await good(bench, 'inspect', '-f', '{{range .Mounts}}{{.Name}}{{end}}', container)).split('\n');
    assert.match(await good(bench, 'volume', 'prune', '-f'), /^Total reclaimed space: 0B\n$/);
    await good(bench, 'rm', container);
    assert.match(await good(bench, 'volume', 'prune', '-f'), new RegExp(`Deleted Volumes:\n${anonymous}\n`));
    assert.match(await good(bench, 'volume', 'prune', '-f', '-a', '--filter', 'label!=keep=no'), /^Total reclaimed space: 0B\n$/);
    assert.match(await good(bench, 'volume', 'prune', '-f', '-a'), new RegExp(`Deleted Volumes:\n${named}\n`));
  },
  'the local driver mounts what its options say': async (bench) => {
    const [scratch, bound] = [bench.unique(), bench.unique()];
    const directory = mkdtempSync(join(tmpdir(), 'berth-volume-'));
    writeFileSync(join(directory, 'x'), 'bound');
    await good(bench, 'volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=1000,mode=700', scratch);
    assert.match(
      await good(bench, 'run', '--rm', '-v', `${scratch}:/s`, 'busybox', 'sh', '-c', 'grep " /s " /proc/mounts; stat -c %u:%a /s'),
      /tmpfs.*size=1024k.*\n1000:700\n/,
    );
    await good(bench, 'volume', 'create', '-o', 'type=none', '-o', `device=${directory}`, '-o', 'o=bind', bound);
    assert.equal(await good(bench, 'run', '--rm', '-v', `${bound}:/b`, 'busybox', 'cat', '/b/x'), 'bound');
    assert.match((await bench.client(['volume', 'create', '-o', 'color=red', bench.unique()])).stderr, /invalid option/);
    await good(bench, 'volume', 'rm', scratch, bound);
    assert.ok(existsSync(join(directory, 'x')));
    rmSync(directory, { recursive: true });
  },
  'copy-up, nocopy, subpath, volumes-from': async (bench) => {
    const [image, volume, empty, first] = [bench.unique(), bench.unique(), bench.unique(), bench.unique()];
    const source = await bench.client([
      'run',
      '--name',
      first,
      'busybox',
      'sh',
      '-c',
      'mkdir -p /data/sub; echo one >/data/sub/one; chown 7:8 /data',
    ]);
    assert.equal(source.code, 0);
    await good(bench, 'commit', first, image);
    await good(bench, 'rm', first);
    assert.equal(
      await good(bench, 'run', '--rm', '-v', `${volume}:/data`, image, 'sh', '-c', 'cat /data/sub/one; stat -c %u:%g /data'),
      'one\n7:8\n',
    );
    assert.equal(await good(bench, 'run', '--rm', '-v', `${empty}:/data:nocopy`, image, 'ls', '/data'), '');
    assert.equal(
      await good(bench, 'run', '--rm', '--mount', `type=volume,src=${volume},dst=/s,volume-subpath=sub`, 'busybox', 'ls', '/s'),
      'one\n',
    );
    const climbing = await bench.client([
      'run',
      '--rm',
      '--mount',
      `type=volume,src=${volume},dst=/s,volume-subpath=../../..`,
      'busybox',
      'ls',
      '/s',
    ]);
    assert.ok(climbing.code === 125 || climbing.stdout === 'sub\n', climbing.stdout);
    const missing = await bench.client([
      'run',
      '--rm',
      '--mount',
      `type=volume,src=${volume},dst=/s,volume-subpath=nosuch`,
      'busybox',
      'true',
    ]);
    assert.match(missing.stderr, /cannot access path .*nosuch: no such file or directory/);
    await good(bench, 'create', '--name', first, '-v', `${volume}:/data`, '-v', '/more', image);
    const script = 'ls /data; touch /more/x; touch /data/y 2>/dev/null || echo read-only';
    assert.equal(await good(bench, 'run', '--rm', '--volumes-from', first, 'busybox', 'sh', '-c', script), 'sub\n');
    assert.equal(
      await good(
        bench,
        'run',
        '--rm',
        '--volumes-from',
        `${first}:ro`,
        'busybox',
        'sh',
        '-c',
        'ls /more; touch /data/z 2>/dev/null || echo read-only',
      ),
      'x\nread-only\n',
    );
    await good(bench, 'rm', '-v', first);
    await good(bench, 'volume', 'rm', volume, empty);
    await good(bench, 'rmi', image);
  },
  'a plugin: create, mount, share, unmount, remove': (bench) =>
    withPlugin(bench, 'socket', async (plugin, driver) => {
      const [volume, name] = [bench.unique(), bench.unique()];
      assert.equal(await good(bench, 'volume', 'create', '-d', driver, '-o', 'speed=high', '--label', 'a=b', volume), `${volume}\n`);
      assert.deepEqual(plugin.options.get(volume), { speed: 'high' });
      assert.equal(
        await good(bench, 'volume', 'inspect', '-f', '{{.Driver}} {{.Scope}} {{.Labels.a}} {{.Options.speed}} {{.Status.users}}', volume),
        `${driver} global b high 0\n`,
      );
      await good(bench, 'run', '-d', '--name', name, '-v', `${volume}:/data`, 'busybox', 'sh', '-c', 'echo kept >/data/x; sleep 60');
      assert.equal(plugin.mounted.get(volume)?.size, 1);
      assert.equal(
        await good(bench, 'run', '--rm', '-v', `${volume}:/other:ro`, 'busybox', 'sh', '-c', 'until cat /other/x; do :; done'),
        'kept\n',
      );
      assert.equal(readFileSync(join(plugin.path(volume), 'x'), 'utf8'), 'kept\n');
      assert.equal(
        await good(bench, 'inspect', '-f', '{{range .Mounts}}{{.Driver}} {{.Source}}{{end}}', name),
        `${driver} ${plugin.path(volume)}\n`,
      );
      await good(bench, 'stop', '-t', '0', name);
      for (let waited = 0; plugin.mounted.get(volume)?.size !== 0 && waited < 3000; waited += 20) await sleep(20);
      assert.equal(plugin.mounted.get(volume)?.size, 0);
      assert.match((await bench.client(['volume', 'rm', volume])).stderr, /volume is in use/);
      await good(bench, 'rm', name);
      await good(bench, 'volume', 'prune', '-af');
      await good(bench, 'volume', 'rm', volume);
      assert.ok(!existsSync(plugin.path(volume)));
      assert.equal(plugin.calls.filter((call) => call === 'Plugin.Activate').length, 1);
    }),
  'a plugin by spec file; --volume-driver and --mount make its volumes': (bench) =>
    withPlugin(bench, 'spec', async (plugin, driver) => {
      const [one, two] = [bench.unique(), bench.unique()];
      await good(bench, 'run', '--rm', '--volume-driver', driver, '-v', `${one}:/d`, 'busybox', 'touch', '/d/x');
      await good(
        bench,
        'run',
        '--rm',
        '--mount',
        `type=volume,src=${two},dst=/d,volume-driver=${driver},volume-opt=a=b`,
        'busybox',
        'touch',
        '/d/y',
      );
      assert.ok(existsSync(join(plugin.path(one), 'x')) && existsSync(join(plugin.path(two), 'y')));
      assert.deepEqual(plugin.options.get(two), { a: 'b' });
      assert.deepEqual(
        (await good(bench, 'volume', 'ls', '-q', '--filter', `driver=${driver}`)).trim().split('\n').sort(),
        [one, two].sort(),
      );
      await good(bench, 'volume', 'rm', one, two);
    }),
  'a plugin’s failures are told, and undone': (bench) =>
    withPlugin(bench, 'json', async (plugin, driver) => {
      const [volume, broken, name] = [bench.unique(), bench.unique(), bench.unique()];
      assert.match(
        (await bench.client(['volume', 'create', '-d', driver, '-o', 'fail=1', volume])).stderr,
        new RegExp(`create ${volume}: VolumeDriver.Create: no room for ${volume}`),
      );
      assert.match((await bench.client(['volume', 'inspect', volume])).stderr, /no such volume/i);
      await good(bench, 'volume', 'create', '-d', driver, '-o', 'broken=1', broken);
      await good(bench, 'volume', 'create', '-d', driver, volume);
      const failed = await bench.client(['run', '--name', name, '-v', `${volume}:/a`, '-v', `${broken}:/b`, 'busybox', 'true']);
      assert.notEqual(failed.code, 0);
      assert.match(failed.stderr, /VolumeDriver.Mount: the storage is away/);
      assert.equal(plugin.mounted.get(volume)?.size, 0);
      await good(bench, 'rm', name);
      assert.match((await bench.client(['volume', 'create', '-d', 'nosuch', 'x'])).stderr, /plugin "nosuch" not found/);
      assert.match((await bench.client(['volume', 'create', '-d', driver, 'local-one'])).stdout, /local-one/);
      await good(bench, 'volume', 'rm', volume, broken, 'local-one');
    }),
  'a volume with the files of an archive, put in before the first start': async (bench) => {
    const [volume, name] = [bench.unique(), bench.unique()];
    await good(bench, 'create', '--name', name, '-v', `${volume}:/data`, 'busybox', 'cat', '/data/f');
    assert.equal((await bench.client(['cp', '-', `${name}:/data`], { input: tar([{ name: 'f', body: 'filled' }]) })).code, 0);
    assert.equal(await good(bench, 'start', '-a', name), 'filled');
    await good(bench, 'rm', name);
    await good(bench, 'volume', 'rm', volume);
  },
});
