import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type Dockerd, startDockerd } from '../bench/dockerd.ts';
import { dockerClient, run } from '../harness/programs.ts';
import { type TarEntry, tar } from '../harness/tar-archive.ts';
import { type Bench, withBothClients } from './both-clients.ts';

let dockerd: Dockerd | string;
before(async () => {
  dockerd = await startDockerd();
});
after(async () => {
  if (typeof dockerd !== 'string') await dockerd[Symbol.asyncDispose]();
});

const digest = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** An archive as docker saved them before version 25, of one image with one layer. */
function oldArchive(change: { config?: object; manifest?: object[]; layer?: TarEntry } = {}): Buffer {
  const layer = tar([{ name: 'hello', body: 'world' }]);
  const config = JSON.stringify(
    change.config ?? { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [`sha256:${digest(layer)}`] } },
  );
  const manifest = change.manifest ?? [{ Config: `${digest(config)}.json`, RepoTags: ['old:1'], Layers: ['abc/layer.tar'] }];
  return tar([
    { name: 'abc/' },
    change.layer ?? { name: 'abc/layer.tar', body: layer },
    { name: `${digest(config)}.json`, body: config },
    { name: 'manifest.json', body: JSON.stringify(manifest) },
  ]);
}

async function idOf({ client }: Bench, name: string): Promise<string> {
  return (await client(['image', 'inspect', '-f', '{{.Id}}', name])).stdout.trim();
}

withBothClients('save and load', {
  'several images and tags in one archive, with their ids': async (bench) => {
    const { client, daemon } = bench;
    const path = join(daemon.directory, `${bench.unique()}.tar`);
    await client(['tag', 'busybox', 'kept:1']);
    await client(['import', '-c', 'LABEL two=2', '-', 'kept:2'], { input: tar([{ name: 'two', body: '2' }]) });
    const ids = [await idOf(bench, 'kept:1'), await idOf(bench, 'kept:2')];
    assert.deepEqual(await client(['save', '-o', path, 'kept:1', 'kept:2']), { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(
      JSON.parse(execFileSync('tar', ['-xOf', path, 'manifest.json'], { encoding: 'utf8' })).map(
        (item: { RepoTags: string[] }) => item.RepoTags,
      ),
      [['kept:1'], ['kept:2']],
    );
    await client(['rmi', 'kept:1', 'kept:2']);
    assert.equal((await client(['load', '-q', '-i', path])).stdout, 'Loaded image: kept:1\nLoaded image: kept:2\n');
    assert.deepEqual([await idOf(bench, 'kept:1'), await idOf(bench, 'kept:2')], ids);
    await client(['rmi', 'kept:1', 'kept:2']);
    assert.equal((await client(['load'], { input: gzipSync(readFileSync(path)) })).stdout, 'Loaded image: kept:1\nLoaded image: kept:2\n');
    await client(['rmi', 'kept:1', 'kept:2']);
  },
  'an image without a name': async (bench) => {
    const { client, daemon } = bench;
    const path = join(daemon.directory, `${bench.unique()}.tar`);
    const id = (await client(['import', '-'], { input: tar([{ name: bench.unique(), body: bench.unique() }]) })).stdout.trim();
    await client(['save', '-o', path, id]);
    await client(['rmi', id]);
    assert.equal((await client(['load', '-i', path])).stdout, `Loaded image ID: ${id}\n`);
    assert.equal((await client(['rmi', id])).code, 0);
  },
  'what cannot be saved': async ({ client, daemon }) => {
    const missing = await client(['save', '-o', join(daemon.directory, 'missing.tar'), 'busybox', 'nosuch']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /No such image: nosuch|reference does not exist/);
    assert.ok(!existsSync(join(daemon.directory, 'missing.tar')));
    assert.match(
      (await client(['save', '-o', '/no/such/directory/x', 'busybox'])).stderr,
      /stat \/no\/such\/directory: no such file or directory/,
    );
    assert.deepEqual(
      readdirSync(daemon.directory).filter((name) => /partial|temp/.test(name)),
      [],
    );
  },
  'archives of before docker 25: layers in directories of their own, a layer that is a link to another': async (bench) => {
    const { client } = bench;
    assert.equal((await client(['load'], { input: oldArchive() })).stdout, 'Loaded image: old:1\n');
    await client(['rmi', 'old:1']);
    const linked = Buffer.concat([
      tar([{ name: 'one/layer.tar', body: tar([{ name: 'hello', body: 'world' }]) }]).subarray(0, -1024),
      oldArchive({ layer: { name: 'abc/layer.tar', linkTo: '../one/layer.tar' } }),
    ]);
    assert.equal((await client(['load'], { input: linked })).stdout, 'Loaded image: old:1\n');
    await client(['rmi', 'old:1']);
  },
  'hostile archives are refused in one line, and leave nothing': async ({ client, daemon }) => {
    const images = async () => (await client(['images', '-aq', '--no-trunc'])).stdout;
    const snapshots = () => readdirSync(join(daemon.dataRoot, 'lifecycle/io.containerd.snapshotter.v1.overlayfs/snapshots')).length;
    const before = [await images(), snapshots()];
    const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] } };
    const item = (more: object) => [{ Config: 'c.json', RepoTags: ['evil:1'], Layers: [], ...more }];
    const file = (name: string, body: string): TarEntry => ({ name, body });
    const cases: [string, Buffer, RegExp][] = [
      ['a layer that is not what the configuration says', oldArchive({ config }), /invalid diffID for layer 0|does not hold/],
      [
        'a missing layer',
        oldArchive({ manifest: [{ Config: `${'0'.repeat(64)}.json`, RepoTags: null, Layers: ['x/layer.tar'] }] }),
        /does not hold/,
      ],
      [
        'a path out of the archive',
        tar([file('manifest.json', JSON.stringify(item({ Config: '../../../../etc/passwd' })))]),
        /does not hold/,
      ],
      ['an absolute path', tar([file('manifest.json', JSON.stringify(item({ Config: '/etc/passwd' })))]), /does not hold/],
      [
        'a symbolic link out of the archive',
        tar([{ name: 'c.json', linkTo: '/etc/passwd' }, file('manifest.json', JSON.stringify(item({})))]),
        /does not hold/,
      ],
      ['a link to itself', tar([{ name: 'c.json', linkTo: 'c.json' }, file('manifest.json', JSON.stringify(item({})))]), /does not hold/],
      ['a manifest that is no JSON', tar([file('manifest.json', '{')]), /not JSON/],
      ['a manifest that is no list', tar([file('manifest.json', '{"a":1}')]), /manifest\.json/],
      ['a manifest of strings', tar([file('manifest.json', '["a",null]')]), /manifest\.json/],
      [
        'a configuration that is no configuration',
        tar([file('c.json', '[]'), file('manifest.json', JSON.stringify(item({})))]),
        /configuration/,
      ],
      ['a bad name', oldArchive({ manifest: item({ Config: 'x', RepoTags: ['UPPER/Case'] }) }), /does not hold|must be lowercase/],
      ['a truncated archive', oldArchive().subarray(0, 1300), /unexpected end|truncated/],
      ['noise', Buffer.alloc(4096, 'noise'), /checksum|invalid tar/],
      ['nothing', Buffer.alloc(0), /holds no image/],
    ];
    for (const [what, input, message] of cases) {
      const { code, stderr, stdout } = await client(['load'], { input });
      assert.equal(code, 1, `${what}: ${stdout}`);
      assert.match(stderr, message, what);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.equal(await images(), before[0], what);
    }
    // Half-made layers go with the lease of their load, in the background.
    for (let waited = 0; snapshots() !== before[1] && waited < 5000; waited += 50) await sleep(50);
    assert.equal(snapshots(), before[1]);
    assert.doesNotMatch(daemon.log, /unhandled|uncaught/i);
  },
  'what Debian’s dockerd saved loads with the same ids, and the other way round': async (bench) => {
    if (typeof dockerd === 'string') {
      console.log(`skipped: ${dockerd}`);
      return;
    }
    const { client, daemon } = bench;
    const path = join(daemon.directory, `${bench.unique()}.tar`);
    const theirs = async (...args: string[]) => {
      const result = await run(dockerClient(), args, { env: (dockerd as Dockerd).environment });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    };
    const container = (await theirs('create', 'busybox', 'sh')).trim();
    writeFileSync(join(daemon.directory, 'two'), 'layers');
    await theirs('cp', join(daemon.directory, 'two'), `${container}:/two`);
    const id = (await theirs('commit', container, 'peer:1')).trim();
    await theirs('save', '-o', path, 'peer:1');
    assert.equal((await client(['load', '-i', path])).stdout, 'Loaded image: peer:1\n');
    assert.equal(await idOf(bench, 'peer:1'), id);
    assert.equal((await client(['run', '--rm', '--network', 'none', 'peer:1', 'cat', '/two'])).stdout, 'layers');
    await theirs('rm', container);
    await theirs('rmi', 'peer:1');

    const name = bench.unique();
    await client(['run', '--name', name, '--network', 'none', 'peer:1', 'sh', '-c', 'echo three >/three']);
    const own = (await client(['commit', name, 'own:1'])).stdout.trim();
    await client(['save', '-o', path, 'own:1']);
    assert.equal(await theirs('load', '-q', '-i', path), 'Loaded image: own:1\n');
    assert.equal((await theirs('image', 'inspect', '-f', '{{.Id}}', 'own:1')).trim(), own);
    await theirs('rmi', 'own:1');
    await client(['rm', name]);
    await client(['rmi', 'own:1', 'peer:1']);
  },
});
