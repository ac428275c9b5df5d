// A registry that misbehaves, in every way that a network and a server can: each pull ends in success or in an error that says what is
// wrong, no image is visible that is not whole, and the same command, once the registry is well, takes up what had come.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from '@berth/oci/image-spec';
import { parseReference } from '@berth/oci/reference';
import { anonymous } from '@berth/oci/registry/credentials';
import { ConfiguredHosts, type HostSource } from '@berth/oci/registry/host';
import { Repository } from '@berth/oci/registry/repository';
import { Berthd } from '../harness/berthd.ts';
import { type Fault, FaultyRegistry, type Seen } from '../registry/faulty-registry.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { type StoredImage, storeImage } from '../registry/test-image.ts';

const NETWORK = ['--bridge', 'none', '--iptables=false', '--ip-forward=false'];
const SIZE = 4_000_000;

let upstream: RegistryProcess;
let registry: FaultyRegistry;
let daemon: Berthd;
let number = 0;

before(async () => {
  upstream = await startRegistry();
  registry = await FaultyRegistry.start(upstream.host);
  daemon = await Berthd.start({ hostNetwork: true, flags: NETWORK });
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

interface Case {
  name: string;
  image: StoredImage;
  /** Of the second layer, the large one. */
  large: Descriptor;
}

/** A new image of two layers, and the fault that its requests meet. */
async function imageWith(fault: (seen: Seen, count: number, image: StoredImage) => Fault | undefined): Promise<Case> {
  const path = `faults/image-${++number}`;
  const layers = [[{ name: 'small', body: `small ${number}` }], [{ name: 'large', body: randomBytes(SIZE) }]];
  const image = await storeImage(`${upstream.host}/${path}:1`, { family: 'oci', compression: 'none', layers });
  registry.seen.length = 0;
  registry.fault = (seen, count) => fault(seen, count, image);
  return { name: `${registry.host}/${path}:1`, image, large: image.layers[1] as Descriptor };
}

const isLarge = (seen: Seen, image: StoredImage) => seen.path.endsWith(`/blobs/${image.layers[1]?.digest}`);

async function pulls(name: string): Promise<void> {
  const { code, stderr } = await daemon.docker(['pull', '-q', name]);
  assert.equal(code, 0, stderr);
  assert.equal((await daemon.docker(['create', '--name', `whole-${number}`, name])).code, 0);
  const copied = await daemon.docker(['cp', `whole-${number}:/large`, '-']);
  assert.ok(copied.stdout.length > 0, copied.stderr);
  await daemon.docker(['rm', `whole-${number}`]);
}

async function fails(name: string, message: RegExp): Promise<void> {
  const { code, stderr } = await daemon.docker(['pull', '-q', name]);
  assert.notEqual(code, 0);
  assert.match(stderr, message);
  assert.equal((await daemon.docker(['images', '-q', name])).stdout, '');
}

test('a layer that breaks off again and again arrives, piece by piece', async () => {
  const { name } = await imageWith((seen, count, image) =>
    isLarge(seen, image) && count < 3 ? { kind: 'break', after: 900_000 } : undefined,
  );
  await pulls(name);
  assert.ok(registry.ranges.length >= 3, String(registry.ranges));
});

test('a registry that dies in the middle of a layer, and comes back', async () => {
  const { name } = await imageWith((seen, _, image) =>
    isLarge(seen, image) ? { kind: 'break', after: 2_000_000, deadly: true } : undefined,
  );
  await fails(name, /connection refused|broke off after/);
  await registry.comeBack();
  registry.fault = () => undefined;
  await pulls(name);
  const [range] = registry.ranges;
  assert.ok(Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]) >= 1_000_000, `went on with ${range}`);
});

for (const [title, retryAfter] of [
  ['in seconds', () => '1'],
  ['as a time', () => new Date(Date.now() + 1500).toUTCString()],
] as const) {
  test(`429 with Retry-After ${title} is waited for`, async () => {
    const { name } = await imageWith((_, count) =>
      count < 1 ? { kind: 'status', status: 429, headers: { 'retry-after': retryAfter() } } : undefined,
    );
    await pulls(name);
  });
}

for (const status of [429, 500, 502, 503]) {
  test(`a storm of ${status} ends in an error that says so`, async () => {
    const { name } = await imageWith(() => ({ kind: 'status', status, headers: { 'retry-after': '0' } }));
    await fails(name, new RegExp(`registry answered ${status}`));
    assert.ok(registry.seen.length <= 12, `${registry.seen.length} requests`);
    registry.fault = () => undefined;
    await pulls(name);
  });
}

test('a truncated layer is an error, and its beginning is not fetched again', async () => {
  const { name, large } = await imageWith((seen, _, image) =>
    isLarge(seen, image) ? { kind: 'truncate', at: seen.range ? 0 : 1_500_000 } : undefined,
  );
  await fails(name, /broke off after 1500000 of \d+ bytes: unexpected EOF/);
  registry.fault = () => undefined;
  registry.seen.length = 0;
  await pulls(name);
  assert.deepEqual(registry.ranges, ['bytes=1500000-'], large.digest);
});

test('a flipped bit is found, and nothing of it kept', async () => {
  const { name, large } = await imageWith((seen, _, image) => (isLarge(seen, image) ? { kind: 'flip', at: 1_234_567 } : undefined));
  await fails(name, new RegExp(`filesystem layer verification failed for digest ${large.digest}`));
  registry.fault = () => undefined;
  registry.seen.length = 0;
  await pulls(name);
  assert.deepEqual(registry.ranges, []);
});

test('an error message without end, and a manifest without end, are not read to it', async () => {
  for (const status of [400, 200]) {
    const { name } = await imageWith((seen) => (seen.path.includes('/manifests/') ? { kind: 'flood', status } : undefined));
    await fails(name, status === 400 ? /registry answered 400/ : /larger than 4194304 bytes: refused/);
  }
});

test('a pull from a registry that trickles can be given up', async () => {
  const { name } = await imageWith((seen, _, image) => (isLarge(seen, image) ? { kind: 'drip', what: 'body', every: 20 } : undefined));
  const { code } = await daemon.docker(['pull', '-q', name], { timeout: 1000 });
  assert.equal(code, -1);
  // Whoever comes next is not held up by the one who left.
  registry.fault = () => undefined;
  await pulls(name);
});

/** As the registry client is, but in a hurry. */
const hurried: HostSource = {
  async hostsFor(domain) {
    const hosts = await new ConfiguredHosts().hostsFor(domain);
    return hosts.map((host) => ({ ...host, scheme: 'http' as const, patience: { silence: 300, head: 300, body: 300 } }));
  },
};

for (const [title, fault, message] of [
  ['says nothing', { kind: 'silence' }, /i\/o timeout|no byte for 0.3 s|timeout awaiting response headers/],
  ['trickles its head', { kind: 'drip', what: 'head', every: 20 }, /timeout awaiting response headers/],
  ['trickles its body', { kind: 'drip', what: 'body', every: 20 }, /no 16384 bytes came in 0.3 s/],
] as const satisfies readonly (readonly [string, Fault, RegExp])[]) {
  test(`a registry that ${title} is given up after a time`, async () => {
    const { name, large } = await imageWith(() => fault);
    const reference = parseReference(name);
    using repository = await Repository.open({ reference, hosts: hurried, credentials: anonymous, attempts: 2 });
    await assert.rejects(repository.manifest('1'), message);
    const read = async (signal?: AbortSignal) => {
      for await (const chunk of repository.blob(large, signal ? { signal } : {})) assert.ok(chunk.length > 0);
    };
    await assert.rejects(read(), message);
    const controller = new AbortController();
    const cancelled = assert.rejects(read(controller.signal), { name: 'AbortError' });
    await sleep(50);
    controller.abort();
    await cancelled;
  });
}
