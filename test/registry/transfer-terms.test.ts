// How pulls and pushes are done on request and by the daemon's settings: how fast, how many blobs at a time, how often they are tried,
// what becomes of foreign layers; and that whatever breaks off is taken up where it ended, by whoever is there afterwards.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, request as plainRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { digestOf } from '@berth/oci/digest';
import { type Descriptor, MEDIA_TYPE } from '@berth/oci/image-spec';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { Berthd, processesOf } from '../harness/berthd.ts';
import { tar } from '../harness/tar-archive.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository, storeImage } from './test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];

let registry: RegistryProcess;
before(async () => {
  registry = await startRegistry({ foreignLayers: true });
});
after(() => registry[Symbol.asyncDispose]());

function daemonWith(...flags: string[]): Promise<Berthd> {
  return Berthd.start({ hostNetwork: true, flags: [...NETWORK, ...flags] });
}

async function ok(daemon: Berthd, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.berth(args);
  assert.equal(code, 0, `berth ${args.join(' ')}: ${stderr}\n${daemon.log.split('\n').slice(-8).join('\n')}`);
  return stdout.trim();
}

interface Seen {
  method: string;
  path: string;
  range: string | undefined;
  at: number;
}

interface Relay extends Disposable {
  host: string;
  seen: Seen[];
  /** The most blobs that were on their way at one time. */
  atOnce: number;
}

/** The registry behind a server that notes what is asked, and may do something else with an answer than pass it on. */
async function relay(instead?: (request: IncomingMessage, response: ServerResponse, upstream: IncomingMessage) => boolean): Promise<Relay> {
  let running = 0;
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    seen.seen.push({ method, path: url, range: incoming.headers.range, at: performance.now() });
    const isBlob = url.includes('/blobs/sha256:') || method === 'PUT' || method === 'PATCH';
    if (isBlob) seen.atOnce = Math.max(seen.atOnce, ++running);
    outgoing.on('close', () => {
      if (isBlob) running--;
    });
    const forward = plainRequest(
      `http://${registry.host}${url}`,
      { method, headers: { ...incoming.headers, host: seen.host } },
      (upstream) => {
        if (instead?.(incoming, outgoing, upstream)) return;
        outgoing.writeHead(upstream.statusCode ?? 500, upstream.headers);
        upstream.pipe(outgoing);
      },
    );
    forward.on('error', () => outgoing.destroy());
    incoming.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const seen: Relay = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    atOnce: 0,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return seen;
}

const noise = (size: number) => [{ name: 'noise', body: randomBytes(size) }];

test('--limit-rate of a pull and of a push, and the daemon’s own limit', async () => {
  using front = await relay();
  await storeImage(`${registry.host}/slow:1`, { family: 'oci', compression: 'none', layers: [noise(600_000)] });
  const name = `${front.host}/slow:1`;
  const timed = async (body: () => Promise<unknown>) => {
    const started = performance.now();
    await body();
    return performance.now() - started;
  };
  await using daemon = await daemonWith();
  // 600 kB at 400 KiB a second: a second and a half at least, whatever the machine does; unlimited it is a matter of milliseconds.
  assert.ok((await timed(() => ok(daemon, 'pull', '-q', '--limit-rate', '400k', name))) > 1300);
  using elsewhere = await relay();
  // By another name: within one registry, known by its host's name, the layer would be mounted.
  const copy = `${elsewhere.host.replace('127.0.0.1', 'localhost')}/slow-copy:1`;
  await ok(daemon, 'tag', name, copy);
  assert.ok((await timed(() => ok(daemon, 'push', '-q', '--limit-rate', '400k', copy))) > 1300);
  const refused = await daemon.berth(['pull', '--limit-rate', 'fast', name]);
  assert.match(refused.stderr, /invalid size: 'fast'/);
  await using limited = await daemonWith('--limit-rate', '400k');
  assert.ok((await timed(() => ok(limited, 'pull', '-q', '--limit-rate', '100m', name))) > 1300);
});

test('so many blobs at a time as the daemon was told', async () => {
  using front = await relay();
  await storeImage(`${registry.host}/many:1`, {
    family: 'oci',
    compression: 'none',
    layers: Array.from({ length: 8 }, () => noise(400_000)),
  });
  await using daemon = await daemonWith('--max-concurrent-downloads', '2', '--max-concurrent-uploads', '1', '--limit-rate', '4m');
  await ok(daemon, 'pull', '-q', `${front.host}/many:1`);
  assert.ok(front.atOnce <= 2, `${front.atOnce} at once`);
  front.atOnce = 0;
  using elsewhere = await relay();
  await ok(daemon, 'tag', `${front.host}/many:1`, `${elsewhere.host}/many-again:1`);
  await ok(daemon, 'push', '-q', `${elsewhere.host}/many-again:1`);
  assert.ok(elsewhere.atOnce <= 1, `${elsewhere.atOnce} at once`);
});

test('a registry that keeps failing is tried as often as the daemon was told', async () => {
  using front = await relay((incoming, outgoing) => {
    if (!incoming.url?.includes('/manifests/')) return false;
    outgoing.writeHead(503).end();
    return true;
  });
  await using daemon = await daemonWith('--max-download-attempts', '2');
  const { code, stderr } = await daemon.berth(['pull', `${front.host}/failing:1`]);
  assert.equal(code, 1);
  assert.match(stderr, /503/);
  assert.equal(front.seen.filter(({ path }) => path.includes('/manifests/')).length, 2);
});

for (const [what, kill] of [
  ['daemon and lifecycle service', async (daemon: Berthd) => killAll(daemon)],
  ['daemon', async (daemon: Berthd) => daemon.kill()],
  ['lifecycle service', async (daemon: Berthd) => killServices(daemon)],
] as const) {
  test(`a layer that broke off is taken up by a range request after the ${what} died`, async () => {
    using front = await relay();
    const image = await storeImage(`${registry.host}/resumed:1`, { family: 'oci', compression: 'none', layers: [noise(3_000_000)] });
    const layer = image.layers[0] as Descriptor;
    const name = `${front.host}/resumed:1`;
    await using daemon = await daemonWith();
    const pulling = daemon.berth(['pull', '--limit-rate', '1m', name]);
    while (!front.seen.some(({ path, method }) => method === 'GET' && path.includes(layer.digest))) await sleep(10);
    await sleep(1000);
    await kill(daemon);
    assert.notEqual((await pulling).code, 0);
    front.seen.length = 0;
    // A daemon that lives starts its service again by itself.
    if (what !== 'lifecycle service') await daemon.launch();
    await ok(daemon, 'pull', '-q', name);
    const [first] = front.seen.filter(({ path, method }) => method === 'GET' && path.includes(layer.digest));
    const from = Number(/^bytes=(\d+)-$/.exec(first?.range ?? '')?.[1]);
    assert.ok(from > 100_000 && from < layer.size, `asked for ${first?.range}`);
    assert.equal(await ok(daemon, 'image', 'inspect', '-f', '{{.Id}}', name), image.config.digest);
  });
}

test('pulls of one image at one time fetch each blob once', async () => {
  using front = await relay();
  const image = await storeImage(`${registry.host}/wanted:1`, {
    family: 'oci',
    compression: 'none',
    layers: [noise(1_000_000), noise(500_000)],
  });
  const name = `${front.host}/wanted:1`;
  await using daemon = await daemonWith('--limit-rate', '2m');
  await Promise.all([ok(daemon, 'pull', name), ok(daemon, 'pull', name), ok(daemon, 'pull', name)]);
  for (const { digest } of [...image.layers, image.config]) {
    assert.equal(front.seen.filter(({ path, method }) => method === 'GET' && path.includes(digest)).length, 1, digest);
  }
});

test('foreign layers come from their makers, and go to registries that were allowed them', async () => {
  const archive = gzipSync(tar([{ name: 'foreign', body: 'made elsewhere' }]));
  const asked: IncomingMessage['headers'][] = [];
  const maker = createServer((request, response) => {
    asked.push(request.headers);
    response.end(archive);
  });
  await new Promise<void>((resolve) => maker.listen(0, '127.0.0.1', resolve));
  using _maker = { [Symbol.dispose]: () => void maker.close() };
  const url = `http://127.0.0.1:${(maker.address() as AddressInfo).port}/layer.tar.gz`;
  const layer = { mediaType: MEDIA_TYPE.dockerForeignLayer, digest: digestOf(archive), size: archive.length, urls: [url] };
  const name = `${registry.host}/foreign:1`;
  {
    using repository = await openRepository(name);
    const rootfs = { type: 'layers', diff_ids: [digestOf(tar([{ name: 'foreign', body: 'made elsewhere' }]))] };
    const configBytes = Buffer.from(
      JSON.stringify({ os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch, rootfs, config: {} }),
    );
    const config = { mediaType: MEDIA_TYPE.dockerConfig, digest: digestOf(configBytes), size: configBytes.length };
    await uploadBlob(repository.upstream, config, async function* () {
      yield configBytes;
    });
    const mediaType = MEDIA_TYPE.dockerManifest;
    await putManifest(repository.upstream, '1', {
      mediaType,
      bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] })),
    });
  }
  await using daemon = await daemonWith();
  await ok(daemon, 'pull', '-q', name);
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.authorization, undefined);
  await ok(daemon, 'tag', name, `${registry.host}/not-for-all:1`);
  await ok(daemon, 'push', '-q', `${registry.host}/not-for-all:1`);
  {
    using repository = await openRepository(`${registry.host}/not-for-all`);
    assert.equal(await repository.hasBlob(layer.digest), false);
  }
  await using generous = await daemonWith('--allow-nondistributable-artifacts', registry.host);
  await ok(generous, 'pull', '-q', name);
  await ok(generous, 'tag', name, `${registry.host}/for-all:1`);
  await ok(generous, 'push', '-q', `${registry.host}/for-all:1`);
  using repository = await openRepository(`${registry.host}/for-all`);
  assert.ok(await repository.hasBlob(layer.digest));
});

async function killAll(daemon: Berthd): Promise<void> {
  const services = servicesOf(daemon);
  await daemon.kill();
  for (const pid of services) process.kill(pid, 'SIGKILL');
}

function killServices(daemon: Berthd): void {
  for (const pid of servicesOf(daemon)) process.kill(pid, 'SIGKILL');
}

function servicesOf(daemon: Berthd): number[] {
  const services = processesOf(daemon.directory).filter((line) => line.includes('berth-lifecycle'));
  return services.map((line) => Number(line.split(' ')[1]));
}
