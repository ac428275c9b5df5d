// Images through the docker client: pull, push, import, tag, list, inspect, history, remove, prune and login, against berthd and
// docker-registry. What docker prints is what dockerd would have it print.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf } from '@berth/oci/digest';
import { Berthd } from '../harness/berthd.ts';
import { busyboxRootfs } from '../harness/busybox.ts';
import type { Result } from '../harness/programs.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { storeImage, storeIndex } from './test-image.ts';

let registry: RegistryProcess;
let daemon: Berthd;
/** The daemon's HTTP proxy; every request that is not for this machine comes here. */
const proxy = createServer(({ url }, response) => {
  if (url === 'http://files.example/root.tar') response.end(busyboxRootfs());
  else response.writeHead(404).end();
});
before(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  registry = await startRegistry();
  // On the machine's network, where the registry is, and without touching that network.
  daemon = await Berthd.start({
    hostNetwork: true,
    flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'],
    environment: { http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, no_proxy: '' },
  });
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  proxy.close();
});

async function docker(...args: string[]): Promise<string> {
  const result = await daemon.docker(args);
  assert.equal(result.code, 0, `docker ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

async function refused(...args: string[]): Promise<string> {
  const { code, stderr }: Result = await daemon.docker(args);
  assert.equal(code, 1, `docker ${args.join(' ')} did not fail`);
  return stderr.trim();
}

async function imported(name: string, ...changes: string[]): Promise<string> {
  const result = await daemon.docker(['import', ...changes.flatMap((change) => ['-c', change]), '-', name], { input: busyboxRootfs() });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
}

const LAYERS = [[{ name: 'etc/' }, { name: 'etc/hello', body: 'hello' }], [{ name: 'bye', body: 'bye' }]];

test('pull tells what it does, and that nothing was to be done', async () => {
  const name = `${registry.host}/team/app:1`;
  const image = await storeImage(name, { family: 'docker', layers: LAYERS, config: { Labels: { team: 'a' } } });
  const lines = (await docker('pull', name)).trim().split('\n');
  const ids = image.layers.map((layer) => layer.digest.slice(7, 19));
  assert.equal(lines[0], '1: Pulling from team/app');
  assert.deepEqual(
    lines.slice(1, 3),
    ids.map((id) => `${id}: Pulling fs layer`),
  );
  for (const id of ids)
    for (const step of ['Verifying Checksum', 'Download complete', 'Pull complete'])
      assert.ok(lines.includes(`${id}: ${step}`), `${id} ${step}`);
  assert.deepEqual(lines.slice(-3), [`Digest: ${image.manifest.digest}`, `Status: Downloaded newer image for ${name}`, name]);
  const again = (await docker('pull', name)).trim().split('\n');
  assert.deepEqual(again.slice(1), [
    ...ids.map((id) => `${id}: Already exists`),
    `Digest: ${image.manifest.digest}`,
    `Status: Image is up to date for ${name}`,
    name,
  ]);
  assert.equal((await docker('images', '-q', '--no-trunc', '--filter', 'label=team=a')).trim(), image.config.digest);
});

test('an index: the host’s platform, and another one on request', async () => {
  const repository = `${registry.host}/multi`;
  const platforms = ['amd64', 'arm64', 's390x'] as const;
  const images = await Promise.all(
    platforms.map((architecture) =>
      storeImage(repository, {
        family: 'oci',
        compression: 'zstd',
        layers: [[{ name: 'arch', body: architecture }]],
        platform: { os: 'linux', architecture },
      }),
    ),
  );
  const index = await storeIndex(
    `${repository}:1`,
    'oci',
    images.map(({ manifest }, at) => ({ ...manifest, platform: { os: 'linux', architecture: platforms[at]! } })),
  );
  await docker('pull', '-q', `${repository}:1`);
  const host = process.arch === 'x64' ? 'amd64' : process.arch;
  assert.equal(
    (await docker('image', 'inspect', '-f', '{{.Architecture}} {{.RepoDigests}}', `${repository}:1`)).trim(),
    `${host} [${repository}@${index.digest}]`,
  );
  await docker('pull', '-q', '--platform', 'linux/s390x', `${repository}:1`);
  assert.equal((await docker('image', 'inspect', '-f', '{{.Architecture}}', `${repository}:1`)).trim(), 's390x');
  assert.match(
    await refused('pull', '--platform', 'linux/riscv64', `${repository}:1`),
    /no matching manifest for linux\/riscv64 in the manifest list entries/,
  );
  // As in dockerd's classic store, the tag has moved: the host's own is without a name now.
  await docker('rmi', `${repository}:1`);
  assert.match(await docker('image', 'prune', '-f'), /deleted: sha256:/);
});

test('what cannot be pulled: Docker’s words and status', async () => {
  await storeImage(`${registry.host}/some:1`, { family: 'oci', layers: LAYERS });
  assert.equal(
    await refused('pull', `${registry.host}/some:2`),
    `Error response from daemon: manifest for ${registry.host}/some:2 not found: manifest unknown: manifest unknown`,
  );
  assert.match(
    await refused('pull', '127.0.0.1:1/some'),
    /^Error response from daemon: Get "http:\/\/127\.0\.0\.1:1\/v2\/.*": dial tcp 127\.0\.0\.1:1: connect: connection refused$/,
  );
  const answer = await api('POST', `/images/create?fromImage=${registry.host}/some&tag=2`);
  assert.equal(answer.status, 404);
  assert.equal((await api('POST', '/images/create?fromImage=UPPER&tag=1')).status, 400);
});

test('a damaged layer: one clear line, and nothing is left', async () => {
  const name = `${registry.host}/damaged:1`;
  const image = await storeImage(name, { family: 'oci', layers: [[{ name: 'x', body: randomBytes(100_000) }]] });
  writeFileSync(registry.blobPath(image.layers[0]!.digest), randomBytes(image.layers[0]!.size));
  assert.equal(await refused('pull', name), `filesystem layer verification failed for digest ${image.layers[0]!.digest}`);
  assert.equal((await docker('images', '-q', name)).trim(), '');
});

test('push, remove, pull again: the same image', async () => {
  const id = await imported('pushed', 'CMD ["sh"]', 'ENV PATH=/bin');
  const name = `${registry.host}/mine/pushed:v1`;
  await docker('tag', 'pushed', name);
  const lines = (await docker('push', name)).trim().split('\n');
  assert.equal(lines[0], `The push refers to repository [${registry.host}/mine/pushed]`);
  assert.match(lines.at(-1)!, /^v1: digest: sha256:[0-9a-f]{64} size: \d+$/);
  assert.match(await docker('push', name), /Layer already exists/);
  await docker('rmi', name, 'pushed');
  assert.match(await refused('inspect', '--type', 'image', id), /No such image/);
  await docker('pull', '-q', name);
  assert.equal((await docker('images', '-q', '--no-trunc', name)).trim(), id);
  const digest = (await docker('image', 'inspect', '-f', '{{index .RepoDigests 0}}', name)).trim();
  assert.equal(lines.at(-1), `v1: digest: ${digest.split('@')[1]} size: ${lines.at(-1)!.split(' ').at(-1)}`);
  await docker('rmi', name);
  await docker('pull', '-q', digest);
  assert.equal((await docker('image', 'inspect', '-f', '{{.RepoTags}} {{.Id}}', digest)).trim(), `[] ${id}`);
  await docker('rmi', digest);
  assert.equal(await refused('push', `${registry.host}/nowhere`), `An image does not exist locally with the tag: ${registry.host}/nowhere`);
});

test('import of plain and zstd archives; what is no archive is refused', async () => {
  const archive = busyboxRootfs();
  const packed = await daemon.docker(['import', '-m', 'by hand', '-', 'packed:1'], { input: zstdCompressSync(archive) });
  assert.equal(packed.code, 0, packed.stderr);
  assert.equal(
    (await docker('image', 'inspect', '-f', '{{.Comment}} {{index .RootFS.Layers 0}}', 'packed:1')).trim(),
    `by hand ${digestOf(archive)}`,
  );
  const before = await docker('images', '-aq');
  const broken = await daemon.docker(['import', '-', 'broken'], { input: randomBytes(10_000) });
  assert.equal(broken.code, 1);
  const xz = await daemon.docker(['import', '-', 'broken'], { input: Buffer.from('fd377a585a000000', 'hex') });
  assert.match(xz.stderr, /compressed with xz/);
  assert.equal(await docker('images', '-aq'), before);
  await docker('rmi', 'packed:1');
});

test('import of an address, through the daemon’s proxy', async () => {
  const lines = (await docker('import', 'http://files.example/root.tar', 'fetched:1')).trim().split('\n');
  assert.equal(lines[0], 'Downloading from http://files.example/root.tar');
  assert.match(lines.at(-1) ?? '', /^sha256:[0-9a-f]{64}$/);
  const first = (await docker('image', 'inspect', '-f', '{{index .RootFS.Layers 0}} {{.Comment}}', 'fetched:1')).trim();
  assert.equal(first, `${digestOf(busyboxRootfs())} Imported from http://files.example/root.tar`);
  assert.match(
    await refused('import', 'http://files.example/none.tar'),
    /downloading http:\/\/files.example\/none.tar: the server answered 404/,
  );
  assert.match(await refused('import', 'http://127.0.0.1:1/x.tar'), /Get "http:\/\/127.0.0.1:1\/x.tar": .*connection refused/);
  await docker('rmi', 'fetched:1');
});

test('list, history and their filters', async () => {
  const id = await imported('listed:1', 'LABEL listed=yes');
  await docker('tag', 'listed:1', 'listed:2');
  assert.equal((await docker('images', '-q', '--no-trunc', 'listed')).trim(), `${id}\n${id}`);
  assert.equal((await docker('images', '--filter', 'reference=list*:2', '--format', '{{.Repository}}:{{.Tag}}')).trim(), 'listed:2');
  assert.equal((await docker('images', '-q', '--filter', 'dangling=true')).trim(), '');
  assert.match(await docker('history', 'listed:1'), /IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n[0-9a-f]{12} .* Imported from -\n/);
  assert.match(await refused('images', '--filter', 'nonsense=1'), /invalid filter 'nonsense'/);
  await imported('listed:1', 'LABEL listed=again');
  await docker('rmi', 'listed:2');
  await imported('listed:2');
  await docker('rmi', 'listed:1', 'listed:2');
});

test('an image whose name was taken is dangling, and prune removes it', async () => {
  const old = await imported('renewed', 'LABEL generation=1');
  await imported('renewed', 'LABEL generation=2');
  assert.equal((await docker('images', '-q', '--no-trunc', '--filter', 'dangling=true', '--filter', 'label=generation=1')).trim(), old);
  const pruned = await docker('image', 'prune', '-f', '--filter', 'label=generation=1');
  assert.match(pruned, new RegExp(`deleted: ${old}\n`));
  await docker('rmi', 'renewed');
});

test('removing: names, prefixes, and the containers that forbid it', async () => {
  const id = await imported('used', 'CMD ["sleep", "1000"]', 'ENV PATH=/bin');
  const short = id.slice(7, 19);
  await docker('tag', 'used', 'used:also');
  await docker('tag', 'used', 'other/used');
  assert.equal(await docker('rmi', 'used:also'), 'Untagged: used:also\n');
  assert.equal(
    await refused('rmi', short),
    `Error response from daemon: conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  );
  await docker('rmi', 'other/used');
  const container = (await docker('create', '--network', 'none', 'used')).trim();
  assert.equal(
    await refused('rmi', 'used'),
    `Error response from daemon: conflict: unable to remove repository reference "used" (must force) - container ${container.slice(0, 12)} is using its referenced image ${short}`,
  );
  assert.equal(
    await refused('rmi', short),
    `Error response from daemon: conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${container.slice(0, 12)}`,
  );
  await docker('start', container);
  assert.equal(
    await refused('rmi', '-f', short),
    `Error response from daemon: conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${container.slice(0, 12)}`,
  );
  await docker('rm', '-f', container);
  const lines = (await docker('rmi', short)).trim().split('\n');
  assert.deepEqual(lines.slice(0, 2), ['Untagged: used:latest', `Deleted: ${id}`]);
  assert.equal(await refused('rmi', 'used'), 'Error response from daemon: No such image: used:latest');
});

test('what was removed is gone from the disk', async () => {
  const blobs = () => new Set(readdirSync(join(daemon.dataRoot, 'lifecycle/io.containerd.content.v1.content/blobs/sha256')));
  const before = blobs();
  const id = await imported('collected', `LABEL unique=${randomBytes(8).toString('hex')}`);
  assert.ok(blobs().has(id.slice(7)));
  await docker('rmi', 'collected');
  assert.deepEqual(blobs().difference(before), new Set());
});

test('saved images come back with their ids and names', async () => {
  const first = await imported('saved:1', 'CMD ["first"]');
  const second = await imported('saved:2', 'CMD ["second"]');
  const path = join(daemon.directory, 'saved.tar');
  await docker('save', '-o', path, 'saved');
  const names = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).split('\n');
  for (const name of ['manifest.json', 'index.json', 'oci-layout', `blobs/sha256/${first.slice(7)}`]) assert.ok(names.includes(name), name);
  await docker('rmi', 'saved:1', 'saved:2');
  assert.equal(await docker('load', '-q', '-i', path), 'Loaded image: saved:1\nLoaded image: saved:2\n');
  assert.equal((await docker('image', 'inspect', '-f', '{{.Id}}', 'saved:1', 'saved:2')).trim(), `${first}\n${second}`);
  assert.equal((await docker('run', '--rm', '--network', 'none', 'saved:2', '/bin/echo', 'loaded')).trim(), 'loaded');
  await docker('rmi', 'saved:1', 'saved:2');
  const packed = gzipSync(readFileSync(path));
  const loaded = await daemon.docker(['load'], { input: packed });
  assert.match(loaded.stdout, /Loaded image: saved:1/);
  await docker('rmi', 'saved:1', 'saved:2');
  assert.match(await refused('save', 'nowhere'), /No such image: nowhere/);
  assert.match((await daemon.docker(['load'], { input: Buffer.alloc(10_240) })).stderr, /the archive holds no image/);
});

test('a container is committed as an image that runs', async () => {
  await imported('base', 'ENV PATH=/bin');
  const changed = 'committed-from';
  await docker('run', '--name', changed, '--network', 'none', 'base', 'sh', '-c', 'echo made >/made; rm /etc/group');
  const id = (await docker('commit', '-a', 'me', '-m', 'a change', '-c', 'CMD ["cat", "/made"]', changed, 'committed:1')).trim();
  const facts = await docker('image', 'inspect', '-f', '{{.Id}} {{.Author}} {{.Comment}} {{len .RootFS.Layers}}', 'committed:1');
  assert.equal(facts.trim(), `${id} me a change 2`);
  assert.equal((await docker('run', '--rm', '--network', 'none', 'committed:1')).trim(), 'made');
  assert.equal(
    (await docker('run', '--rm', '--network', 'none', 'committed:1', 'sh', '-c', '[ -e /etc/group ] || echo gone')).trim(),
    'gone',
  );
  const running = (await docker('run', '-d', '--network', 'none', 'base', 'sleep', '1000')).trim();
  await docker('commit', running, 'committed:2');
  assert.equal((await docker('inspect', '-f', '{{.State.Status}}', running)).trim(), 'running');
  await docker('rm', '-f', running, changed);
  await docker('rmi', 'committed:1', 'committed:2', 'base');
});

test('a pull whose client goes away stops, and the next one finishes', async () => {
  const name = `${registry.host}/large:1`;
  await storeImage(name, { family: 'oci', compression: 'none', layers: [[{ name: 'large', body: randomBytes(60_000_000) }]] });
  const cut = await daemon.docker(['pull', name], { timeout: 250 });
  assert.equal(cut.code, -1);
  assert.equal((await docker('images', '-q', name)).trim(), '');
  await docker('pull', '-q', name);
  assert.doesNotMatch(daemon.log, /unhandled|uncaught/);
  await docker('rmi', name);
});

test('login and a private repository', async () => {
  const htpasswd = 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
  await using locked = await startRegistry({ htpasswd });
  assert.match(
    (await daemon.docker(['login', '-u', 'alice', '--password-stdin', locked.host], { input: 'wrong' })).stderr,
    /401 Unauthorized/,
  );
  const login = await daemon.docker(['login', '-u', 'alice', '--password-stdin', locked.host], { input: 'secret' });
  assert.match(login.stdout, /Login Succeeded/);
  await imported('secretive');
  await docker('tag', 'secretive', `${locked.host}/secretive`);
  await docker('push', '-q', `${locked.host}/secretive`);
  await docker('rmi', `${locked.host}/secretive`, 'secretive');
  await docker('pull', '-q', `${locked.host}/secretive`);
  await docker('rmi', `${locked.host}/secretive`);
  await docker('logout', locked.host);
  assert.match(await refused('pull', `${locked.host}/secretive`), /no basic auth credentials/);
});

test('what a registry has, without pulling it', async () => {
  const name = `${registry.host}/inspected:1`;
  const image = await storeImage(name, { family: 'oci', layers: LAYERS });
  const { status, body } = await api('GET', `/distribution/${name}/json`);
  assert.equal(status, 200);
  assert.equal((body as { Descriptor: { digest: string } }).Descriptor.digest, image.manifest.digest);
});

function api(method: string, path: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: daemon.socket, method, path: `/v1.51${path}` }, (response) => {
      json(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    call.on('error', reject);
    call.end();
  });
}
