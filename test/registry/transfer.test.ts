// Pull and push between docker-registry and the stores in a throw-away root: both media-type families, every compression, indexes,
// shared downloads, and what is left after a failure.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CONTENT_SCHEMA } from '@berth/lifecycle/content/content-rows';
import { FileContent } from '@berth/lifecycle/content/file-content';
import type { Hashed } from '@berth/lifecycle/diff/hash-job';
import { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { Unpacker } from '@berth/lifecycle/diff/unpacker';
import { WorkerDiffer } from '@berth/lifecycle/diff/worker-differ';
import { IMAGE_SCHEMA } from '@berth/lifecycle/images/image-rows';
import { SqliteImages } from '@berth/lifecycle/images/sqlite-image-store';
import { DirectorySnapshots } from '@berth/lifecycle/snapshots/directory-snapshotter';
import { OverlayMechanism } from '@berth/lifecycle/snapshots/overlay-snapshotter';
import { SNAPSHOT_SCHEMA } from '@berth/lifecycle/snapshots/snapshot-rows';
import { Downloads } from '@berth/lifecycle/transfer/download';
import type { TransferProgress } from '@berth/lifecycle/transfer/progress';
import { pull } from '@berth/lifecycle/transfer/pull';
import { push } from '@berth/lifecycle/transfer/push';
import type { TransferStorage } from '@berth/lifecycle/transfer/storage';
import { chainIds, type Digest } from '@berth/oci/digest';
import { hostPlatform, parsePlatform } from '@berth/oci/platform';
import { parseReference, withDefaultTag } from '@berth/oci/reference';
import BetterSqlite3 from 'better-sqlite3';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository, type StoredImage, storeImage, storeIndex } from './test-image.ts';

interface Stores extends AsyncDisposable {
  storage: TransferStorage;
  downloads: Downloads;
  root: string;
}

let registry: RegistryProcess;
let pool: UnpackPool;
before(async () => {
  pool = new UnpackPool();
  registry = await startRegistry();
});
after(async () => {
  await pool[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

function openStores(): Stores {
  const root = mkdtempSync(join(tmpdir(), 'berth-transfer-'));
  const database = new BetterSqlite3(':memory:');
  for (const schema of [CONTENT_SCHEMA, SNAPSHOT_SCHEMA, IMAGE_SCHEMA]) database.exec(schema);
  const leases = { addResource() {} };
  const scope = { namespace: 'test' };
  const hashFile = (path: string, algorithm: string) => pool.run<Hashed>({ kind: 'hash', path, algorithm });
  const files = new FileContent({ root: join(root, 'content'), database, leases, hashFile });
  const snapshots = new DirectorySnapshots(new OverlayMechanism(), { root: join(root, 'overlay'), database, leases });
  const snapshotter = snapshots.in(scope);
  const storage: TransferStorage = {
    namespace: 'test',
    content: files.in(scope),
    images: new SqliteImages({ database }).in(scope),
    snapshotter: () => snapshotter,
    unpacker: new Unpacker(new WorkerDiffer(pool)),
  };
  const close = async () => {
    await files.flush();
    await snapshots.settle();
    database.close();
    rmSync(root, { recursive: true, force: true });
  };
  return { storage, downloads: new Downloads(), root, [Symbol.asyncDispose]: close };
}

async function pullInto(
  { storage, downloads }: Stores,
  name: string,
  options: { platform?: string; signal?: AbortSignal } = {},
): Promise<TransferProgress[]> {
  const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const seen: TransferProgress[] = [];
  using repository = await openRepository(name);
  await pull({
    storage,
    downloads,
    repository,
    reference: withDefaultTag(parseReference(name)),
    name,
    platforms: [platform],
    unpack: [{ platform, snapshotter: '' }],
    progress: (progress) => seen.push(progress),
    signal: options.signal ?? new AbortController().signal,
  });
  return seen;
}

/** A file of an image's root, through the directory that its top snapshot's mounts show. */
async function fileOf({ storage }: Stores, image: StoredImage, path: string): Promise<string> {
  const snapshotter = storage.snapshotter('');
  const key = `view-${randomBytes(4).toString('hex')}`;
  const [mount] = await snapshotter.view(key, chainIds(image.imageConfig.rootfs.diff_ids).at(-1));
  const lower = mount?.options
    .find((option) => option.startsWith('lowerdir='))
    ?.slice('lowerdir='.length)
    .split(':') ?? [mount?.source ?? ''];
  await snapshotter.remove(key);
  for (const directory of lower) {
    try {
      return readFileSync(join(directory, path), 'utf8');
    } catch {
      // In a layer further below.
    }
  }
  return assert.fail(`${path} is in no layer`);
}

const LAYERS = [[{ name: 'etc/' }, { name: 'etc/hello', body: 'hello' }], [{ name: 'etc/bye', body: 'bye' }], [{ name: 'etc/.wh.hello' }]];

for (const [family, compression] of [
  ['docker', 'gzip'],
  ['docker', 'none'],
  ['oci', 'gzip'],
  ['oci', 'zstd'],
  ['oci', 'none'],
] as const) {
  test(`pull of a ${family} manifest with layers of ${compression}`, async () => {
    await using stores = openStores();
    const name = `${registry.host}/pull/${family}-${compression}:1`;
    const image = await storeImage(name, { family, compression, layers: LAYERS });
    const seen = await pullInto(stores, name);
    assert.deepEqual(stores.storage.images.get(name).target, image.manifest);
    assert.equal(await fileOf(stores, image, 'etc/bye'), 'bye');
    const steps = seen.filter((progress) => progress.name === `layer-${image.layers[1]?.digest}`).map((progress) => progress.event);
    assert.deepEqual(
      [...new Set(steps)].filter((event) => !/ing$/.test(event) || event === 'waiting'),
      ['waiting', 'complete', 'extracted'],
    );
    const again = await pullInto(stores, name);
    const events = new Set(again.filter((progress) => progress.name?.startsWith('layer-')).map((progress) => progress.event));
    assert.deepEqual([...events], ['already exists']);
  });

  test(`push of a ${family} image with layers of ${compression} to another repository`, async () => {
    await using stores = openStores();
    const name = `${registry.host}/push/${family}-${compression}:1`;
    const image = await storeImage(name, { family, compression, layers: LAYERS });
    await pullInto(stores, name);
    const reference = parseReference(`${registry.host}/pushed/${family}-${compression}:2`);
    using repository = await openRepository(`${registry.host}/pushed/${family}-${compression}`);
    const signal = new AbortController().signal;
    const pushed = await push({
      storage: stores.storage,
      repository,
      reference,
      target: image.manifest,
      platforms: [],
      progress: () => {},
      signal,
    });
    assert.deepEqual(pushed, image.manifest);
    assert.deepEqual(await repository.head('2'), image.manifest);
  });
}

test('of an index, the manifest of the platform asked for', async () => {
  await using stores = openStores();
  const name = `${registry.host}/multi:1`;
  const amd = await storeImage(`${registry.host}/multi`, {
    family: 'oci',
    layers: [[{ name: 'a', body: 'amd64' }]],
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const arm = await storeImage(`${registry.host}/multi`, {
    family: 'oci',
    layers: [[{ name: 'a', body: 'arm64' }]],
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const index = await storeIndex(name, 'oci', [
    { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
    { ...arm.manifest, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  ]);
  await pullInto(stores, name, { platform: 'linux/arm64' });
  assert.equal(stores.storage.images.get(name).target.digest, index.digest);
  assert.ok(stores.storage.content.has(arm.layers[0]!.digest));
  assert.ok(!stores.storage.content.has(amd.manifest.digest));
  assert.equal(await fileOf(stores, arm, 'a'), 'arm64');
  const labels = stores.storage.content.info(index.digest).labels;
  assert.equal(labels['containerd.io/gc.ref.content.m.1'], arm.manifest.digest);
  await assert.rejects(
    pullInto(stores, name, { platform: 'linux/s390x' }),
    /no matching manifest for linux\/s390x in the manifest list entries/,
  );
  // Only a part of the index is here: what is pushed is the manifest.
  using repository = await openRepository(`${registry.host}/multi-copy`);
  const reference = parseReference(`${registry.host}/multi-copy:1`);
  const platforms = [parsePlatform('linux/arm64')];
  const signal = new AbortController().signal;
  assert.equal(
    (await push({ storage: stores.storage, repository, reference, target: index, platforms, progress: () => {}, signal })).digest,
    arm.manifest.digest,
  );
});

test('pulls of one image at one time share its download', async () => {
  await using stores = openStores();
  const name = `${registry.host}/shared:1`;
  const image = await storeImage(name, { family: 'oci', layers: [[{ name: 'big', body: randomBytes(3_000_000) }]] });
  await Promise.all([pullInto(stores, name), pullInto(stores, name), pullInto(stores, name)]);
  assert.equal(stores.storage.snapshotter('').list().length, 1);
  assert.ok(stores.storage.content.has(image.layers[0]!.digest));
});

test('a damaged layer is refused and leaves no image, no snapshot and nothing of itself', async () => {
  await using stores = openStores();
  const name = `${registry.host}/damaged:1`;
  const image = await storeImage(name, {
    family: 'docker',
    layers: [[{ name: 'fine', body: 'fine' }], [{ name: 'x', body: randomBytes(50_000) }]],
  });
  const layer = image.layers[1]!;
  writeFileSync(registry.blobPath(layer.digest), randomBytes(layer.size));
  await assert.rejects(
    pullInto(stores, name),
    (error: Error) => error.message === `filesystem layer verification failed for digest ${layer.digest}`,
  );
  assert.deepEqual(stores.storage.images.list(), []);
  // The other layer may have been stopped half-way: the next pull goes on with it.
  assert.deepEqual(
    stores.storage.content.statuses().filter(({ ref }) => ref.includes(layer.digest)),
    [],
  );
  assert.equal(
    stores.storage
      .snapshotter('')
      .list()
      .filter((snapshot) => snapshot.kind !== 'committed').length,
    0,
  );
});

test('a layer that is not the one its configuration names is refused', async () => {
  await using stores = openStores();
  const name = `${registry.host}/wrong-diff:1`;
  await storeImage(name, { family: 'oci', layers: [[{ name: 'x', body: 'x' }]], diffIds: [`sha256:${'1'.repeat(64)}` as Digest] });
  await assert.rejects(pullInto(stores, name), /wrong diff id calculated on extraction/);
  assert.deepEqual(stores.storage.images.list(), []);
  assert.deepEqual(stores.storage.snapshotter('').list(), []);
});

test('a cancelled pull stops, and the next one finishes', async () => {
  await using stores = openStores();
  const name = `${registry.host}/cancelled:1`;
  await storeImage(name, { family: 'oci', compression: 'none', layers: [[{ name: 'big', body: randomBytes(20_000_000) }]] });
  const controller = new AbortController();
  const pulling = pullInto(stores, name, { signal: controller.signal });
  setTimeout(() => controller.abort(), 30);
  await assert.rejects(pulling, { name: 'AbortError' });
  await pullInto(stores, name);
  assert.equal(stores.storage.images.list().length, 1);
  assert.deepEqual(readdirSync(join(stores.root, 'content', 'ingest')), []);
});
