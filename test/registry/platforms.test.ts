// Images of several platforms, with what their builder attests of them: pulled, pushed, saved, loaded and looked at, whole and one
// platform at a time. What goes through the engine unchanged keeps its digest.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Digest, digestOf } from '@berth/oci/digest';
import { type Descriptor, MEDIA_TYPE } from '@berth/oci/image-spec';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { Berthd } from '../harness/berthd.ts';
import { api } from '../harness/engine-api.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { openRepository, type StoredImage, storeImage, storeIndex } from './test-image.ts';

const HOST = process.arch === 'x64' ? 'amd64' : process.arch;
const OTHERS = ['s390x', 'riscv64'] as const;

let registry: RegistryProcess;
let daemon: Berthd;
before(async () => {
  registry = await startRegistry();
  daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

for (const client of ['docker', 'berth'] as const) {
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon[client](args);
    assert.equal(code, 0, `${client} ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const refused = async (...args: string[]) => {
    const { code, stderr } = await daemon[client](args);
    assert.equal(code, 1, `${client} ${args.join(' ')} did not fail`);
    return stderr.trim();
  };

  test(`${client}: attestations are pulled along, and the whole index is pushed under its digest`, async () => {
    const from = `${registry.host}/${client}/attested:1`;
    const { index, statement } = await storeAttested(from);
    await run('pull', '-q', from);
    const copy = `${registry.host}/${client}/copied:1`;
    await run('tag', from, copy);
    assert.match(await run('push', copy), new RegExp(`1: digest: ${index.digest} size: ${index.size}$`));
    using repository = await openRepository(copy);
    assert.deepEqual(await repository.head('1'), index);
    assert.ok(await repository.hasBlob(statement));
    const [summary] = (await api(daemon, 'GET', `/images/json?manifests=1&filters={"reference":["${copy}"]}`)).body as ManifestsOf[];
    assert.deepEqual(
      summary?.Manifests.map(({ Kind, Available }) => [Kind, Available]),
      [
        ['image', true],
        ['attestation', true],
      ],
    );
    assert.equal(summary.Descriptor.digest, index.digest);
    await run('rmi', from, copy);
  });

  test(`${client}: of an index that was pulled in part, the part is pushed, or the platform asked for`, async () => {
    const { name, images } = await storeMany(`${registry.host}/${client}/parts`);
    await run('pull', '-q', name);
    const copy = `${registry.host}/${client}/part:1`;
    await run('tag', name, copy);
    assert.match(await run('push', copy), new RegExp(`digest: ${images.get(HOST)?.manifest.digest} `));
    assert.match(await refused('push', '--platform', 'linux/s390x', copy), /does not match the specified platform \(linux\/s390x\)/);
    await run('pull', '-q', '--platform', 'linux/s390x', name);
    await run('tag', name, copy);
    assert.match(await run('push', '--platform', 'linux/s390x', copy), new RegExp(`digest: ${images.get('s390x')?.manifest.digest} `));
    assert.equal(await run('image', 'inspect', '--platform', `linux/${HOST}`, '-f', '{{.Architecture}}', name), HOST);
    assert.equal(await run('image', 'inspect', '-f', '{{.Architecture}}', name), 's390x');
    assert.match(await refused('image', 'inspect', '--platform', 'linux/riscv64', name), /does not match the specified platform/);
    assert.match(await run('history', '--platform', 'linux/s390x', name), /layer 0/);
    const tree = await run('images', '--tree', name);
    for (const platform of [HOST, ...OTHERS]) assert.match(tree, new RegExp(`[├└]─ linux/${platform} `));
    assert.match(tree, /linux\/riscv64 +[0-9a-f]{12} +0B +0B/);
    await run('rmi', name, copy);
  });

  test(`${client}: saved with all its platforms, or with one, and loaded with the digest that it had`, async () => {
    const { name, index, images } = await storeMany(`${registry.host}/${client}/saved`);
    for (const platform of [...OTHERS, HOST]) await run('pull', '-q', '--platform', `linux/${platform}`, name);
    const path = join(daemon.directory, `${client}-all.tar`);
    const one = join(daemon.directory, `${client}-one.tar`);
    await run('save', '-o', path, name);
    await run('save', '--platform', 'linux/s390x', '-o', one, name);
    assert.match(await refused('save', '--platform', 'linux/mips64', '-o', join(daemon.directory, 'none.tar'), name), /linux\/mips64/);
    await run('rmi', name);

    assert.equal(await run('load', '-q', '-i', path), `Loaded image: ${name}`);
    assert.equal(await run('image', 'inspect', '-f', '{{.Id}}', name), images.get(HOST)?.config.digest);
    const copy = `${registry.host}/${client}/loaded:1`;
    await run('tag', name, copy);
    assert.match(await run('push', copy), new RegExp(`digest: ${index.digest} `));
    // What a load has only stored is unpacked when a container is to be made of it.
    const container = await run('create', '--platform', 'linux/s390x', name);
    assert.equal(await run('inspect', '-f', '{{.Image}}', container), images.get('s390x')?.config.digest);
    await run('cp', `${container}:/arch`, join(daemon.directory, `${client}-arch`));
    assert.match(readFileSync(join(daemon.directory, `${client}-arch`), 'utf8'), / s390x$/);
    await run('rm', container);
    assert.match(
      (await daemon[client](['create', '--pull', 'never', '--platform', 'linux/mips64', name])).stderr,
      /does not match the specified platform/,
    );
    await run('rmi', name, copy);

    assert.equal(await run('load', '-q', '--platform', 'linux/riscv64', '-i', path), `Loaded image: ${name}`);
    assert.equal(await run('image', 'inspect', '-f', '{{.Architecture}}', name), 'riscv64');
    const foreign = await daemon[client](['create', name]);
    assert.match(
      foreign.stderr,
      /platform \(linux\/riscv64\) does not match the detected host platform \(linux\/\w+\) and no specific platform was requested/,
    );
    await run('rm', foreign.stdout.trim());
    await run('rmi', name);
    assert.match(await refused('load', '--platform', 'linux/mips64', '-i', path), /not for the specified platform \(linux\/mips64\)/);

    assert.equal(await run('load', '-q', '-i', one), `Loaded image: ${name}`);
    assert.equal(await run('image', 'inspect', '-f', '{{.Id}}', name), images.get('s390x')?.config.digest);
    await run('rmi', name);
  });

  test(`${client}: single platforms are removed, the last one with the image`, async () => {
    const { name, images } = await storeMany(`${registry.host}/${client}/removed`);
    for (const platform of [...OTHERS, HOST]) await run('pull', '-q', '--platform', `linux/${platform}`, name);
    const blobs = join(daemon.dataRoot, 'lifecycle/io.containerd.content.v1.content/blobs/sha256');
    const has = (architecture: string) => existsSync(join(blobs, images.get(architecture)!.layers[0]!.digest.slice(7)));
    assert.match(await run('rmi', '--platform', 'linux/s390x', name), new RegExp(`Deleted: ${images.get('s390x')?.manifest.digest}`));
    assert.deepEqual([has('s390x'), has('riscv64'), has(HOST)], [false, true, true]);
    assert.equal(await run('image', 'inspect', '-f', '{{.Architecture}}', name), HOST);
    assert.match(await refused('rmi', '--platform', 'linux/s390x', name), /does not match the specified platform \(linux\/s390x\)/);
    const container = await run('create', name);
    assert.match(await refused('rmi', '--platform', `linux/${HOST}`, name), /must be forced\) - image is being used by stopped container/);
    await run('rm', container);
    await run('rmi', '--platform', `linux/${HOST}`, name);
    assert.equal(await run('image', 'inspect', '-f', '{{.Architecture}}', name), 'riscv64');
    assert.match(await run('rmi', '--platform', 'linux/riscv64', name), new RegExp(`^Untagged: ${name}`));
    assert.deepEqual([has('riscv64'), has(HOST)], [false, false]);
  });
}

interface ManifestsOf {
  Descriptor: Descriptor;
  Manifests: { Kind: string; Available: boolean }[];
}

async function storeMany(repository: string): Promise<{ name: string; index: Descriptor; images: Map<string, StoredImage> }> {
  const images = new Map<string, StoredImage>();
  for (const architecture of [HOST, ...OTHERS]) {
    const layers = [[{ name: 'arch', body: `${repository} ${architecture}` }]];
    images.set(architecture, await storeImage(repository, { family: 'oci', layers, platform: { os: 'linux', architecture } }));
  }
  const entries = [...images].map(([architecture, { manifest }]) => ({ ...manifest, platform: { os: 'linux', architecture } }));
  return { name: `${repository}:1`, index: await storeIndex(`${repository}:1`, 'oci', entries), images };
}

/** An image as BuildKit pushes it by default: an index of the image and of a manifest with a provenance statement. */
async function storeAttested(name: string): Promise<{ index: Descriptor; statement: Digest }> {
  const repositoryName = name.replace(/:1$/, '');
  const image = await storeImage(repositoryName, { family: 'oci', layers: [[{ name: 'a', body: name }]] });
  using repository = await openRepository(repositoryName);
  const put = async (mediaType: string, document: object): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(document));
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    await uploadBlob(repository.upstream, descriptor, async function* () {
      yield bytes;
    });
    return descriptor;
  };
  const statement = await put('application/vnd.in-toto+json', { predicateType: 'https://slsa.dev/provenance/v0.2', of: name });
  const rootfs = { type: 'layers', diff_ids: [statement.digest] };
  const config = await put(MEDIA_TYPE.ociConfig, { architecture: 'unknown', os: 'unknown', config: {}, rootfs });
  const mediaType = MEDIA_TYPE.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [statement] }));
  await putManifest(repository.upstream, digestOf(bytes), { mediaType, bytes });
  const annotations = { 'vnd.docker.reference.digest': image.manifest.digest, 'vnd.docker.reference.type': 'attestation-manifest' };
  const attestation = { mediaType, digest: digestOf(bytes), size: bytes.length, annotations };
  const index = await storeIndex(name, 'oci', [
    { ...image.manifest, platform: { os: 'linux', architecture: HOST } },
    { ...attestation, platform: { os: 'unknown', architecture: 'unknown' } },
  ]);
  return { index, statement: statement.digest };
}
