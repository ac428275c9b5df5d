// Known weaknesses of engines on the way of an image from somebody else to this machine, by their numbers, and the attacks that every
// format invites: each through a running daemon, by pull, load, import and build.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import { digestOf } from '@berth/oci/digest';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { mount, umount } from '@berth/sys/mount';
import { Berthd, processesOf } from '../harness/berthd.ts';
import { api } from '../harness/engine-api.ts';
import type { Result } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { directory, file, hardlink, type LayerMember, layer, symlink } from '../lifecycle/layer-fixture.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { storeArchives } from '../registry/test-image.ts';

const NOBODY = 65534;
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

let daemon: Berthd;
let registry: RegistryProcess;
/** A directory of the host that no image may touch. */
let host: string;
let serial = 0;
before(async () => {
  host = mkdtempSync(join(tmpdir(), 'berth-victim-'));
  writeFileSync(join(host, 'victim'), 'untouched');
  // Programs that a daemon would find first, if it ran any to decompress.
  mkdirSync(join(host, 'bin'));
  for (const name of ['xz', 'unxz', 'lzma', 'bzip2', 'gzip', 'unpigz', 'pigz', 'zstd', 'tar']) {
    writeFileSync(join(host, 'bin', name), `#!/bin/sh\necho ${name} >>${host}/executed\n`, { mode: 0o755 });
  }
  const path = process.env.PATH;
  process.env.PATH = `${join(host, 'bin')}:${path}`;
  daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
  process.env.PATH = path;
  registry = await startRegistry();
  await daemon.importBusybox();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  rmSync(host, { recursive: true, force: true });
});

/** An archive as `docker save` writes it, with layers that are archives already. */
function saved(layers: readonly Buffer[], change: { config?: object; manifest?: object; name?: string } = {}): Buffer {
  const config = JSON.stringify({
    architecture: ARCHITECTURE,
    os: 'linux',
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: layers.map((archive) => digestOf(archive)) },
    ...change.config,
  });
  const names = layers.map((_, position) => `${position}/layer.tar`);
  const item = { Config: 'config.json', RepoTags: [change.name ?? `hostile:${++serial}`], Layers: names, ...change.manifest };
  return tar([
    ...layers.map((body, position) => ({ name: names[position] as string, body })),
    { name: 'config.json', body: config },
    { name: 'manifest.json', body: JSON.stringify([item]) },
  ]);
}

async function alive(): Promise<void> {
  const { code, stderr } = await daemon.docker(['version', '-f', '{{.Server.Version}}']);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(daemon.log, /unhandled|uncaught/i);
}

function hostIsUntouched(): void {
  assert.equal(readFileSync(join(host, 'victim'), 'utf8'), 'untouched');
  assert.equal(lstatSync(join(host, 'victim')).nlink, 1);
  assert.equal(lstatSync(join(host, 'victim')).mode & 0o7777, 0o644);
  for (const name of ['planted', 'executed']) assert.ok(!existsSync(join(host, name)), `${name} is there`);
  assert.ok(!existsSync('/planted-by-an-image'));
}

/** The layer by all three ways into the engine; each may take it or refuse it, the host stays as it is. */
async function everyWayIn(...members: LayerMember[]): Promise<Result[]> {
  const archive = layer(...members);
  const name = `${registry.host}/hostile/${++serial}:1`;
  await storeArchives(name, { family: 'oci', layers: [] }, [archive]);
  const answers = [
    await daemon.docker(['pull', '-q', name]),
    await daemon.docker(['load', '-q'], { input: saved([archive]) }),
    await daemon.docker(['import', '-', `hostile:${++serial}`], { input: archive }),
  ];
  hostIsUntouched();
  await alive();
  return answers;
}

const climbing = `${'../'.repeat(12)}`;

test('CVE-2014-6407: links in a layer lead nowhere, neither when they are made nor when a file is written through them', async () => {
  await everyWayIn(symlink('l', host), hardlink('h', 'l/victim'), file('h', 'overwritten', { mode: 0o777 }));
  await everyWayIn(hardlink('h', `${climbing}${host.slice(1)}/victim`), file('h', 'overwritten'));
  await everyWayIn(symlink('l', `${climbing}${host.slice(1)}`), file('l/planted', 'x'));
  // What two layers do together.
  const two = [layer(symlink('l', host)), layer(file('l/planted', 'x'), file('l/victim', 'x'))];
  await daemon.docker(['load', '-q'], { input: saved(two) });
  hostIsUntouched();
});

test('CVE-2014-9356: absolute links and names of an image, and of the archive that it comes in, stay inside', async () => {
  await everyWayIn(symlink('a', '/'), file(`a${host}/planted`, 'x'));
  await everyWayIn(symlink('a', '/proc/self/root'), file(`a${host}/planted`, 'x'));
  await everyWayIn(file(`${host}/planted`, 'x'), file('/planted-by-an-image', 'x'));
  const archive = saved([layer(file('ok', 'x'))]).subarray(0, -1024);
  const around = [
    layer(symlink('0', host), file('0/planted', 'x')),
    layer(file(`${host}/planted`, 'x'), file(`${climbing}planted-by-an-image`, 'x')),
    layer(symlink('manifest.json', join(host, 'victim'))),
  ];
  for (const outer of around) await daemon.docker(['load', '-q'], { input: Buffer.concat([archive, outer]) });
  hostIsUntouched();
  // A container's own links, on the way in and out by cp.
  const id = (
    await daemon.docker(['run', '-d', '--network', 'none', 'busybox', 'sh', '-c', `ln -s ${host} /out; sleep 1000`])
  ).stdout.trim();
  const source = join(host, 'bin');
  await daemon.docker(['cp', `${source}/xz`, `${id}:/out/planted`]);
  await daemon.docker(['rm', '-f', id]);
  hostIsUntouched();
});

test('CVE-2014-9357: no program of the host is run to decompress what an image says', async () => {
  const xz = Buffer.concat([Buffer.from('fd377a585a000004', 'hex'), Buffer.alloc(4096)]);
  const bzip2 = Buffer.concat([Buffer.from('BZh91AY&SY'), Buffer.alloc(4096)]);
  for (const [kind, bytes] of [
    ['xz', xz],
    ['bzip2', bzip2],
  ] as const) {
    assert.match((await daemon.docker(['import', '-', 'packed'], { input: bytes })).stderr, new RegExp(`compressed with ${kind}`));
    assert.notEqual((await daemon.docker(['load', '-q'], { input: saved([bytes]) })).code, 0);
  }
  const context = mkdtempSync(join(tmpdir(), 'berth-context-'));
  writeFileSync(join(context, 'a.tar.xz'), xz);
  writeFileSync(join(context, 'a.tar.gz'), gzipSync(tar([{ name: 'unpacked', body: 'x' }])));
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nADD a.tar.gz /gz\nADD a.tar.xz /xz\n');
  await daemon.docker(['build', '-q', context]);
  rmSync(context, { recursive: true });
  await everyWayIn(file('fine', 'x'));
  assert.ok(!existsSync(join(host, 'executed')), 'a decompressor of the host was run');
});

test('CVE-2021-21285: no manifest, however malformed, ends the daemon', async () => {
  let answer: { type: string; body: string | Buffer } = { type: '', body: '' };
  const server: Server = createServer((request, response) => {
    if (!request.url?.includes('/manifests/')) return void response.writeHead(request.url === '/v2/' ? 200 : 404).end();
    response.writeHead(200, { 'content-type': answer.type }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  using _server = { [Symbol.dispose]: () => void server.close() };
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}/malformed:1`;
  const digest = `sha256:${'a'.repeat(64)}`;
  const blob = { mediaType: MEDIA_TYPE.ociConfig, digest, size: 2 };
  const manifests: unknown[] = [
    null,
    1,
    'text',
    [],
    {},
    { schemaVersion: 1 },
    { schemaVersion: 2 },
    { schemaVersion: 2, config: null, layers: null },
    { schemaVersion: 2, config: {}, layers: [null] },
    { schemaVersion: 2, config: blob, layers: {} },
    { schemaVersion: 2, config: { ...blob, size: -1 }, layers: [] },
    { schemaVersion: 2, config: { ...blob, size: 1e300 }, layers: [] },
    { schemaVersion: 2, config: { ...blob, digest: 'sha256:../../x' }, layers: [] },
    { schemaVersion: 2, config: { ...blob, digest: 7 }, layers: [] },
    { schemaVersion: 2, config: blob, layers: Array.from({ length: 1000 }, () => blob) },
    { schemaVersion: 2, manifests: [] },
    { schemaVersion: 2, manifests: [null] },
    { schemaVersion: 2, manifests: [{ ...blob, platform: 7 }] },
    { schemaVersion: 2, manifests: [{ ...blob, platform: { os: 1, architecture: {} } }] },
    { schemaVersion: 2, manifests: [{ ...blob, annotations: null, platform: null }] },
  ];
  const bodies = [...manifests.map((value) => JSON.stringify(value)), '', '{', '\0', '['.repeat(100_000), '{"a":'.repeat(50_000)];
  for (const type of [MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerManifestV1Signed, 'text/html']) {
    for (const body of bodies) {
      answer = { type, body };
      const response = await pullByApi(name);
      assert.ok(/message|error/.test(response), `${type} ${body.slice(0, 80)}: ${response}`);
      // Refused for what it is, not because something fell over it.
      assert.doesNotMatch(response, /undefined|is not (a function|iterable)|Cannot read|Invalid (URL|array length)/);
    }
  }
  answer = { type: MEDIA_TYPE.dockerManifestV1Signed, body: JSON.stringify({ schemaVersion: 1, fsLayers: [], history: [] }) };
  assert.match(await pullByApi(name), /schema version 1/);
  await alive();
  assert.equal((await daemon.docker(['images', '-q', name])).stdout, '');
});

async function pullByApi(name: string): Promise<string> {
  return JSON.stringify((await api(daemon, 'POST', `/images/create?fromImage=${name}`)).body);
}

test('CVE-2021-21285: no configuration of an image, however malformed, ends the daemon', async () => {
  const archive = layer(file('f', 'x'));
  const malformed: object[] = [
    { config: 7 },
    { config: { Env: 7 } },
    { config: { Env: [7] } },
    { config: { Cmd: { a: 1 } } },
    { config: { Entrypoint: [null, 1] } },
    { config: { Labels: [] } },
    { config: { Volumes: 'v' } },
    { config: { Healthcheck: { Interval: 'long' } } },
    { history: {} },
    { history: [7] },
    { rootfs: null },
    { rootfs: { type: 'layers', diff_ids: [7] } },
    { os: 7 },
    { architecture: null },
    { created: 7 },
  ];
  for (const config of malformed) {
    const { code, stderr } = await daemon.docker(['load', '-q'], { input: saved([archive], { config }) });
    assert.equal(code, 1, JSON.stringify(config));
    assert.match(stderr, /image configuration/, JSON.stringify(config));
  }
  // What Go's programs write for nothing is nothing.
  const name = `hostile:${++serial}`;
  const empty = { config: { Env: null, Cmd: null, Labels: null, Volumes: null, Healthcheck: null }, history: [null, {}], created: null };
  assert.equal((await daemon.docker(['load', '-q'], { input: saved([archive], { config: empty, name }) })).code, 0);
  for (const command of [['history', name], ['inspect', name], ['images'], ['create', '--name', 'empty', name, 'x'], ['rm', 'empty']]) {
    const { code, stderr } = await daemon.docker(command);
    assert.equal(code, 0, `${command}: ${stderr}`);
  }
  await daemon.docker(['rmi', name]);
  await alive();
});

test('CVE-2021-41091: who is not root gets at no file of images, containers and volumes through the data root', async () => {
  await daemon.docker(['load', '-q'], { input: saved([layer(file('suid', '#!/bin/sh\n', { mode: 0o4755 }))], { name: 'suid:1' }) });
  await daemon.docker([
    'run',
    '--rm',
    '--network',
    'none',
    '-v',
    'kept:/v',
    'busybox',
    'sh',
    '-c',
    'echo secret >/v/file; chmod 666 /v/file',
  ]);
  // Not by its exit code: directories on their way to deletion vanish under it.
  const files = spawnSync('find', [daemon.dataRoot, '-name', 'suid', '-o', '-path', '*kept*file'], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n');
  assert.ok(files.length >= 2, files.join(' '));
  chmodSync(daemon.directory, 0o755);
  for (const path of files) {
    assert.notEqual(spawnSync('cat', [path], { uid: NOBODY, gid: NOBODY }).status, 0, `${path} can be read`);
    const run = spawnSync('sh', ['-c', `"${path}"`], { uid: NOBODY, gid: NOBODY });
    assert.notEqual(run.status, 0, `${path} can be run`);
  }
  await daemon.docker(['rmi', 'suid:1']);
  await daemon.docker(['volume', 'rm', 'kept']);
});

test('CVE-2021-41092: a credential helper that cannot be run sends no other registry’s password', async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  using _server = { [Symbol.dispose]: () => void server.close() };
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = join(daemon.directory, 'misconfigured');
  mkdirSync(config);
  const auth = Buffer.from('hub-user:hub-secret').toString('base64');
  for (const helper of [{ credHelpers: { [name]: 'not-there' } }, { credsStore: 'not-there' }]) {
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { 'https://index.docker.io/v1/': { auth } }, ...helper }));
    const { code, stderr } = await daemon.berth(['pull', `${name}/private:1`], { env: { DOCKER_CONFIG: config } });
    assert.equal(code, 1);
    assert.match(stderr, /docker-credential-not-there/);
  }
  assert.deepEqual(seen.filter(Boolean), []);
});

test('CVE-2024-24557: an image that was loaded is no cache for a build that does not name it', async () => {
  const context = mkdtempSync(join(tmpdir(), 'berth-context-'));
  using _context = { [Symbol.dispose]: () => rmSync(context, { recursive: true }) };
  writeFileSync(join(context, 'app'), 'mine');
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY app /app\nENV A=1\n');
  // What the builder writes into an image's history is no secret: whoever builds the same once knows it.
  assert.equal((await daemon.docker(['build', '-q', '-t', 'built:0', context])).code, 0);
  const history = (await api(daemon, 'GET', '/images/built:0/history')).body as { CreatedBy: string; Size: number }[];
  await daemon.docker(['rmi', 'built:0']);
  assert.equal((await daemon.docker(['builder', 'prune', '-af'])).code, 0);
  // As the classic builder recognised its own: parent, configuration and the step's command in history and container configuration.
  const evil = layer(file('app', 'evil'));
  const copied = `/bin/sh -c #(nop) COPY file:${digestOf('mine').slice(7)} in /app `;
  for (const change of [
    { parent: '', history: [{ created_by: copied }] },
    { history: [{ created_by: copied }] },
    { history: history.toReversed().map(({ CreatedBy, Size }) => ({ created_by: CreatedBy, empty_layer: Size === 0 })) },
  ]) {
    const config = {
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: null },
      container_config: { Cmd: ['/bin/sh', '-c', '#(nop) ', copied] },
      ...change,
    };
    assert.equal((await daemon.docker(['load', '-q'], { input: saved([evil], { config }) })).code, 0);
  }
  const built = await daemon.docker(['build', '-q', '-t', 'built:1', context]);
  assert.equal(built.code, 0, built.stderr);
  const archive = await daemon.docker(['create', '--name', 'look', 'built:1', 'x']);
  assert.equal(archive.code, 0, archive.stderr);
  const copy = await daemon.docker(['cp', 'look:/app', join(context, 'out')]);
  assert.equal(copy.code, 0, copy.stderr);
  assert.equal(readFileSync(join(context, 'out'), 'utf8'), 'mine');
  await daemon.docker(['rm', 'look']);
  await daemon.docker(['rmi', 'built:1']);
});

test('names that climb out are refused, by every way in', async () => {
  for (const members of [
    [file('../planted', 'x')],
    [file(`${climbing}${host.slice(1)}/planted`, 'x')],
    [directory('a'), file('a/../../planted', 'x')],
    [hardlink('h', `${climbing}etc/hostname`)],
  ]) {
    for (const { code, stderr } of await everyWayIn(...members)) assert.equal(code, 1, stderr);
  }
});

test('device nodes of an image are no way to the host’s devices for who may not use them', async () => {
  const nodes: LayerMember[] = [
    { type: 'block', name: 'disk', mode: 0o666, major: 8, minor: 0 },
    { type: 'character', name: 'mem', mode: 0o666, major: 1, minor: 1 },
  ];
  const name = `hostile:${++serial}`;
  assert.equal((await daemon.docker(['load', '-q'], { input: saved([layer(...nodes)], { name }) })).code, 0);
  const context = mkdtempSync(join(tmpdir(), 'berth-context-'));
  using _context = { [Symbol.dispose]: () => rmSync(context, { recursive: true }) };
  writeFileSync(join(context, 'Dockerfile'), `FROM ${name}\nCOPY --from=busybox / /\n`);
  assert.equal((await daemon.docker(['build', '-q', '-t', 'devices:1', context])).code, 0);
  for (const node of ['disk', 'mem']) {
    const { code, stderr } = await daemon.docker([
      'run',
      '--rm',
      '--network',
      'none',
      'devices:1',
      'dd',
      `if=/${node}`,
      'count=1',
      'of=/dev/null',
    ]);
    assert.notEqual(code, 0);
    assert.match(stderr, /Operation not permitted/);
  }
  await daemon.docker(['rmi', 'devices:1', name]);
});

test('a name twice is the last one’s, and names that differ in case alone are two files', async () => {
  const members = [
    file('twice', 'first', { mode: 0o4755 }),
    file('twice', 'second'),
    directory('becomes'),
    file('becomes/inner', 'x'),
    file('becomes', 'a file'),
    file('Case', 'upper'),
    file('case', 'lower'),
    symlink('link', 'twice'),
    file('link', 'a file of its own'),
  ];
  const context = mkdtempSync(join(tmpdir(), 'berth-context-'));
  using _context = { [Symbol.dispose]: () => rmSync(context, { recursive: true }) };
  const name = `hostile:${++serial}`;
  assert.equal((await daemon.docker(['load', '-q'], { input: saved([layer(...members)], { name }) })).code, 0);
  assert.equal((await daemon.docker(['create', '--name', 'collide', name, 'x'])).code, 0);
  const expected = { twice: 'second', becomes: 'a file', Case: 'upper', case: 'lower', link: 'a file of its own' };
  for (const [path, content] of Object.entries(expected)) {
    const copy = await daemon.docker(['cp', `collide:/${path}`, join(context, `out-${path}`)]);
    assert.equal(copy.code, 0, copy.stderr);
    assert.equal(readFileSync(join(context, `out-${path}`), 'utf8'), content, path);
  }
  assert.equal(lstatSync(join(context, 'out-twice')).mode & 0o7000, 0);
  await daemon.docker(['rm', 'collide']);
  await daemon.docker(['rmi', name]);
});

test('sizes that a manifest or a member lies about', async () => {
  const archive = layer(file('a', 'x'.repeat(5000)));
  const image = await storeArchives(`${registry.host}/sizes:good`, { family: 'oci', layers: [] }, [archive]);
  const path = registry.blobPath(image.layers[0]!.digest);
  const honest = readFileSync(path);
  for (const [what, bytes, message] of [
    ['longer', Buffer.concat([honest, Buffer.alloc(100_000)]), /larger than/],
    ['shorter', honest.subarray(0, honest.length - 10), /ends at the registry after/],
    ['empty', Buffer.alloc(0), /ends at the registry after/],
  ] as const) {
    writeFileSync(path, bytes);
    const { code, stderr } = await daemon.docker(['pull', '-q', `${registry.host}/sizes:good`]);
    assert.equal(code, 1, what);
    assert.match(stderr, message, what);
  }
  const huge = layer(file('a', 'x'));
  huge.write('77777777777', 124); // Eight gibibytes, of which one byte comes.
  huge.fill(' ', 148, 156);
  huge.write(
    `${huge
      .subarray(0, 512)
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  for (const { code, stderr } of await Promise.all([
    daemon.docker(['load', '-q'], { input: saved([huge]) }),
    daemon.docker(['import', '-', 'huge'], { input: huge }),
    daemon.docker(['load', '-q'], { input: huge }),
  ])) {
    assert.equal(code, 1);
    assert.match(stderr, /truncated|unexpected end/);
  }
  await alive();
});

test('what a small archive unpacks to fills a disk, not memory, and then goes again', { timeout: 60_000 }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'berth-bomb-'));
  const data = join(root, 'data');
  mkdirSync(data);
  mount('tmpfs', data, 'tmpfs', 0, 'size=64m');
  try {
    const small = await Berthd.start({ directory: root });
    try {
      const bomb = await zipBomb(400 << 20);
      assert.ok(bomb.length < 1 << 20);
      const service = Number(
        processesOf(root)
          .find((line) => line.includes('berth-lifecycle'))
          ?.split(' ')[1],
      );
      const { code, stderr, stdout } = await small.docker(['import', '-', 'bomb'], { input: bomb });
      assert.notEqual(code, 0);
      assert.match(stderr + stdout, /no space left on device/i);
      const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${service}/status`, 'utf8'))?.[1]);
      assert.ok(peak < 400 << 10, `${peak} kB`);
      assert.equal((await small.docker(['images', '-aq'])).stdout, '');
      await small.importBusybox();
      // Layers within layers cost nothing: what is in a layer is not unpacked again. A document that is a bomb is none.
      const nested = gzipSync(tar([{ name: 'inner.tar.gz', body: bomb.subarray(0, 1000) }]));
      assert.equal((await small.docker(['import', '-', 'nested'], { input: nested })).code, 0);
    } finally {
      await small.stop();
      rmSync(small.execRoot, { recursive: true, force: true });
    }
  } finally {
    umount(data);
    rmSync(root, { recursive: true, force: true });
  }
});

/** A gzip of one file of zeros. */
async function zipBomb(size: number): Promise<Buffer> {
  const head = layer(file('zeros', ''));
  head.write(size.toString(8).padStart(11, '0'), 124);
  head.fill(' ', 148, 156);
  head.write(
    `${head
      .subarray(0, 512)
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  const gzip = createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk) => chunks.push(chunk));
  const ended = new Promise((resolve) => gzip.once('end', resolve));
  gzip.write(head.subarray(0, 512));
  const zeros = Buffer.alloc(1 << 20);
  for (let written = 0; written < size; written += zeros.length)
    if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once('drain', resolve));
  gzip.end(Buffer.alloc(1024));
  await ended;
  return Buffer.concat(chunks);
}
