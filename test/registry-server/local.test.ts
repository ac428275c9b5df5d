// `berth registry serve --local`: the engine's own images, to docker, skopeo, podman and another berthd, with the digests that they have.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { podmanIn } from '../harness/podman.ts';
import { program, ROOT, run } from '../harness/programs.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { openRepository, type StoredImage, storeImage, storeIndex } from '../registry/test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
const HOST = process.arch === 'x64' ? 'amd64' : process.arch;

let daemon: Berthd;
let other: RegistryProcess;
let offered: ChildProcess;
let host: string;
let pulled: StoredImage;
let index: string;
before(async () => {
  daemon = await Berthd.start({ hostNetwork: true, flags: NETWORK });
  await daemon.importBusybox('busybox:1');
  other = await startRegistry();
  pulled = await storeImage(`${other.host}/team/app`, { family: 'oci', layers: [[{ name: 'a', body: 'a' }], [{ name: 'b', body: 'b' }]] });
  // Of the index, the engine has what it pulled: its own platform.
  const second = await storeImage(`${other.host}/team/app`, {
    family: 'oci',
    layers: [[{ name: 'c', body: 'c' }]],
    platform: { os: 'linux', architecture: 's390x' },
  });
  index = (
    await storeIndex(`${other.host}/team/app:1`, 'oci', [
      { ...pulled.manifest, platform: { os: 'linux', architecture: HOST } },
      { ...second.manifest, platform: { os: 'linux', architecture: 's390x' } },
    ])
  ).digest;
  assert.equal((await daemon.docker(['pull', '-q', `${other.host}/team/app:1`])).code, 0);
  offered = spawn(join(ROOT, 'bin', 'berth'), ['registry', 'serve', '--local', '--listen', '127.0.0.1:0'], {
    env: daemon.environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: offered.stderr! })) {
    const address = /listens on http:\/\/(.*)$/.exec(line)?.[1];
    assert.ok(address, line);
    host = address;
    break;
  }
  offered.stderr!.resume();
});
after(async () => {
  const ended = new Promise((resolve) => offered?.once('close', resolve) ?? resolve(undefined));
  offered?.kill('SIGTERM');
  await ended;
  await daemon[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

test('catalog, tags, and manifests under the digests that the engine knows', async () => {
  const get = async (path: string) => (await fetch(`http://${host}/v2/${path}`)).json();
  const name = `${other.host.replace(':', '_')}/team/app`;
  assert.deepEqual(await get('_catalog'), { repositories: [name, 'library/busybox'].sort() });
  assert.deepEqual(await get('busybox/tags/list'), { name: 'busybox', tags: ['1'] });
  using repository = await openRepository(`${host}/${name}`);
  assert.equal((await repository.head('1'))?.digest, index);
  assert.deepEqual((await repository.manifest(pulled.manifest.digest)).descriptor, pulled.manifest);
  for (const { digest } of [...pulled.layers, pulled.config]) assert.ok(await repository.hasBlob(digest));
});

test('a blob belongs to the repositories that lead to it, and nothing can be changed', async () => {
  using repository = await openRepository(`${host}/library/busybox`);
  assert.equal(await repository.hasBlob(pulled.layers[0]!.digest), false);
  const put = await fetch(`http://${host}/v2/library/busybox/manifests/2`, { method: 'PUT', body: '{}' });
  assert.equal(put.status, 405);
  assert.match(await put.text(), /read-only/);
  assert.equal((await fetch(`http://${host}/v2/library/busybox/blobs/uploads/x`)).status, 405);
  assert.equal((await fetch(`http://${host}/v2/no/such/manifests/1`)).status, 404);
});

test('skopeo copies from it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-local-'));
  try {
    const copied = await run(program('skopeo'), [
      'copy',
      '-q',
      '--insecure-policy',
      '--src-tls-verify=false',
      `docker://${host}/busybox:1`,
      `oci:${directory}/oci:1`,
    ]);
    assert.equal(copied.code, 0, copied.stderr);
    assert.ok(existsSync(join(directory, 'oci', 'index.json')));
    const [entry] = JSON.parse(readFileSync(join(directory, 'oci', 'index.json'), 'utf8')).manifests;
    assert.ok(entry);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('another engine takes it for its mirror of Docker Hub, and its client pulls what was pulled from elsewhere', async () => {
  await using second = await Berthd.start({ hostNetwork: true, flags: [...NETWORK, '--registry-mirror', `http://${host}`] });
  const pull = await second.docker(['pull', '-q', 'busybox:1']);
  assert.equal(pull.code, 0, pull.stderr);
  const id = async (engine: Berthd, name: string) => (await engine.docker(['image', 'inspect', '-f', '{{.Id}}', name])).stdout.trim();
  assert.equal(await id(second, 'busybox:1'), await id(daemon, 'busybox:1'));
  assert.equal((await second.docker(['run', '--rm', '--network', 'none', 'busybox:1', '/bin/echo', 'ran'])).stdout, 'ran\n');
  const name = `${host}/${other.host.replace(':', '_')}/team/app:1`;
  assert.equal((await second.docker(['pull', '-q', name])).code, 0);
  const digests = (await second.docker(['image', 'inspect', '-f', '{{.RepoDigests}}', name])).stdout;
  assert.match(digests, new RegExp(index));
  const missing = await second.docker(['pull', '--platform', 'linux/s390x', name]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /manifest unknown/);
});

test('podman pulls from it', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-local-podman-'));
  try {
    const podman = await podmanIn(directory);
    if (!podman) return context.skip('podman is not installed');
    const pull = await podman('pull', '-q', '--tls-verify=false', `${host}/busybox:1`);
    assert.equal(pull.code, 0, pull.stderr);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('what is asked for wrongly is said', async () => {
  const both = await run(join(ROOT, 'bin', 'berth'), ['registry', 'serve', '--local', '--root', '/nowhere'], { env: daemon.environment });
  assert.equal(both.code, 2);
  assert.match(both.stderr, /--local and --root exclude each other/);
  const nobody = await run(join(ROOT, 'bin', 'berth-registry'), ['serve', '--local', '/no/such.sock']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no service answers on \/no\/such\.sock/);
});
