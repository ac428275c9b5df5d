// The client for embedders, against the built service and a real registry: the example of docs/embedding.md, archives, processes and
// their streams.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isKind } from '@berth/errdefs/engine-error';
import { createContainer } from '@berth/lifecycle/client/create-container';
import { readImage } from '@berth/lifecycle/client/image-config';
import { LifecycleClient } from '@berth/lifecycle/client/lifecycle-client';
import { createTask } from '@berth/lifecycle/client/task';
import { exportImages, importImages, pullImage, pushImage } from '@berth/lifecycle/client/transfer-images';
import { digestOf } from '@berth/oci/digest';
import { busyboxRootfs } from '../harness/busybox.ts';
import { ROOT, run } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { openRepository, storeArchives } from '../registry/test-image.ts';
import { Laboratory } from './laboratory.ts';

let registry: RegistryProcess;
before(async () => {
  registry = await startRegistry();
});
after(() => registry[Symbol.asyncDispose]());

async function open(t: TestContext, namespace = 'embedder'): Promise<{ lab: Laboratory; client: LifecycleClient }> {
  const lab = await Laboratory.open(t);
  const client = new LifecycleClient(lab.address, { namespace });
  t.after(() => client[Symbol.dispose]());
  await client.ready();
  return { lab, client };
}

async function storeBusybox(name: string): Promise<string> {
  const reference = `${registry.host}/${name}:1`;
  await storeArchives(reference, { family: 'oci', layers: [], config: { Env: ['PATH=/bin', 'A=1'], Cmd: ['sh'] } }, [busyboxRootfs()]);
  return reference;
}

/** An archive as docker saved them before version 25. */
function dockerArchive(tag: string): Buffer {
  const layer = busyboxRootfs();
  const config = JSON.stringify({
    os: 'linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  });
  return tar([
    { name: 'config.json', body: config },
    { name: 'one/layer.tar', body: layer },
    { name: 'manifest.json', body: JSON.stringify([{ Config: 'config.json', RepoTags: [tag], Layers: ['one/layer.tar'] }]) },
  ]);
}

async function* chunks(bytes: Buffer, size = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test('the example pulls, runs and removes a container, and gives its exit code', async (t) => {
  const { lab, client } = await open(t, 'example');
  const reference = await storeBusybox('example');
  const example = join(ROOT, 'packages/lifecycle/examples/run-container.ts');
  const result = await run(process.execPath, [example, lab.address, reference, 'sh', '-c', 'echo out $A; echo err >&2; exit 7'], {
    timeout: 60_000,
  });
  assert.equal(result.code, 7, result.stderr);
  assert.equal(result.stdout, 'out 1\n');
  assert.match(result.stderr, /^saved .*^err$/ms);
  assert.deepEqual((await client.containers.list({})).containers, []);
  assert.deepEqual((await client.tasks.list({})).tasks, []);
  assert.deepEqual((await client.leases.list({})).leases, []);
  assert.equal((await client.images.list({})).images[0]?.name, reference);
});

test('streams: input to its end, a terminal, and a second process', async (t) => {
  const { client } = await open(t);
  const image = await storeBusybox('streams');
  await pullImage(client, image, { plainHttp: true });
  await using container = await createContainer(client, { id: 'reader', image, args: ['cat'] });
  const stdout = new PassThrough();
  await using task = await createTask(client, container.id, { stdin: Readable.from(['one\n', 'two\n']), stdout });
  await task.start();
  assert.equal((await task.wait()).exitStatus, 0);
  assert.equal(await text(stdout.end()), 'one\ntwo\n');
  await assert.rejects(createTask(client, container.id, {}), (error) => isKind(error, 'AlreadyExists'));

  await using other = await createContainer(client, { id: 'other', image, args: ['sleep', '100'], terminal: true });
  const screen = new PassThrough();
  await using sleeper = await createTask(client, other.id, { stdout: screen, terminal: true });
  await sleeper.start();
  const said = new PassThrough();
  const process = { args: ['sh', '-c', 'echo second; exit 3'], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } };
  await using second = await sleeper.exec('second', process, { stdout: said });
  await second.start();
  assert.equal((await second.wait()).exitStatus, 3);
  assert.equal(await text(said.end()), 'second\n');
  await assert.rejects(sleeper.exec('bad id!', process), (error) => isKind(error, 'InvalidArgument'));
  await sleeper.resize(100, 40);
  await sleeper.pause();
  await sleeper.resume();
  await sleeper.kill(15);
  await sleeper.kill(9);
  assert.equal((await sleeper.wait()).exitStatus, 137);
});

test('what is not there is said: an image, a user by name, a command', async (t) => {
  const { client } = await open(t);
  const id = 'none';
  await assert.rejects(createContainer(client, { id, image: 'nothing' }), (error) => isKind(error, 'NotFound'));
  const named = `${registry.host}/named:1`;
  await storeArchives(named, { family: 'oci', layers: [], config: { User: 'nobody', Cmd: ['sh'] } }, [busyboxRootfs()]);
  await pullImage(client, named, { plainHttp: true, snapshotter: false });
  await assert.rejects(createContainer(client, { id, image: named }), /user "nobody" is a name/);
  await assert.rejects(createContainer(client, { id, image: named, user: { uid: 1, gid: 1 } }), (error) => isKind(error, 'NotFound'));
  assert.deepEqual((await client.leases.list({})).leases, []);
  await assert.rejects(pullImage(client, `${registry.host}/missing:1`, { plainHttp: true }), (error) => isKind(error, 'NotFound'));
});

test('an archive of docker is imported, unpacked and run; exported, it is the same wherever it is imported', async (t) => {
  const { client } = await open(t);
  const saved = await importImages(client, chunks(gzipSync(dockerArchive('box:1'))));
  assert.deepEqual(saved, ['docker.io/library/box:1']);
  await using container = await createContainer(client, { id: 'box', image: 'docker.io/library/box:1', args: ['true'] });
  await using task = await createTask(client, container.id);
  await task.start();
  assert.equal((await task.wait()).exitStatus, 0);

  const archive = await whole(exportImages(client, ['docker.io/library/box:1']));
  assert.deepEqual(await whole(exportImages(client, ['docker.io/library/box:1'])), archive);
  const { client: second } = await open(t, 'second');
  assert.deepEqual(await importImages(second, chunks(archive, 777_777)), ['docker.io/library/box:1']);
  const target = async (each: LifecycleClient) => (await each.images.get({ name: 'docker.io/library/box:1' })).image?.target;
  assert.deepEqual(await target(second), await target(client));
  assert.deepEqual(await whole(exportImages(second, ['docker.io/library/box:1'])), archive);

  const copy = `${registry.host}/box:copy`;
  await pushImage(client, copy, { name: 'docker.io/library/box:1', plainHttp: true });
  using repository = await openRepository(copy);
  assert.equal((await repository.head('copy'))?.digest, (await target(client))?.digest);
});

test('names by a prefix, layers that are packed on the way in, and what is kept for the collector', async (t) => {
  const { client } = await open(t);
  const archive = () => chunks(dockerArchive('box:1'));
  const references = (name: string, more = {}) => ({ extraReferences: [{ name, isPrefix: true, ...more }] });
  assert.deepEqual(await importImages(client, archive(), { store: references('docker.io/other') }), []);
  const digests = await importImages(client, archive(), { store: references('docker.io/other', { addDigest: true }) });
  assert.match(digests.join(), /^docker\.io\/other@sha256:[0-9a-f]{64}$/);
  assert.deepEqual(await importImages(client, archive(), { store: { name: 'whole:1' }, snapshotter: false }), ['whole:1']);
  const { manifest } = await readImage(client, 'whole:1');
  assert.equal(manifest.layers[0]?.mediaType, 'application/vnd.docker.image.rootfs.diff.tar');
  // Everything that the names lead to survives a collection.
  await client.leases.create({ id: 'l' });
  await client.leases.delete({ id: 'l', sync: true });
  assert.equal((await readImage(client, 'whole:1')).manifest.layers.length, 1);
  assert.equal((await whole(exportImages(client, ['whole:1']))).length > 1_000_000, true);
});

test('archives that are none, or are broken, leave no image', async (t) => {
  const { client } = await open(t);
  const good = dockerArchive('box:1');
  const lie = tar([
    { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
    { name: `blobs/sha256/${'0'.repeat(64)}`, body: 'not it' },
    { name: 'index.json', body: '{"schemaVersion":2,"manifests":[]}' },
  ]);
  for (const [name, bytes] of Object.entries({
    text: Buffer.from('no archive at all'),
    cut: good.subarray(0, good.length / 2),
    gzip: gzipSync(good).subarray(0, 5000),
    empty: tar([]),
    lie,
    dangling: tar([{ name: 'manifest.json', body: '[{"Config":"../../etc/passwd","Layers":[]}]' }]),
  })) {
    await assert.rejects(importImages(client, chunks(bytes)), Error, name);
  }
  assert.deepEqual((await client.images.list({})).images, []);
  assert.deepEqual((await client.content.listStatuses({})).statuses, []);
  await assert.rejects(whole(exportImages(client, ['nothing'])), (error) => isKind(error, 'NotFound'));
});
