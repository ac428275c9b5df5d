// The image of the image benchmarks: twelve Debian packages, the files of each as one layer, some 400 MB and 24,000 files together. Its
// layers are made once, into .cache/bench-image. Every *variant* has one small file more in front of each layer, so that no blob and no
// snapshot is known from another variant: an engine that is measured several times need not delete what it had. (ext4 avoids inodes that
// were freed in the last minute, so files made soon after a large removal cost several times as much.)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import { type Digest, digestOf } from '@berth/oci/digest';
import { type Descriptor, type ImageConfig, MEDIA_TYPE } from '@berth/oci/image-spec';
import { hostPlatform } from '@berth/oci/platform';
import { parseReference } from '@berth/oci/reference';
import { anonymous } from '@berth/oci/registry/credentials';
import { ConfiguredHosts } from '@berth/oci/registry/host';
import { Repository } from '@berth/oci/registry/repository';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import { tarEntry } from '@berth/oci/tar/entry';
import { tarEnd, tarHeader, tarPadding } from '@berth/oci/tar/writer';
import { ROOT } from '../harness/programs.ts';

/** One layer each, lowest first. */
const PACKAGES = [
  ...['libc6', 'coreutils', 'gdb', 'git', 'vim-runtime', 'python3-numpy'],
  ...['python3-django', 'iso-codes', 'mariadb-server-core', 'cmake', 'python3-scipy', 'emacs-common'],
];
const DIRECTORY = join(ROOT, '.cache', 'bench-image');
const CREATED = '2026-01-02T03:04:05Z';

const plain = (position: number) => join(DIRECTORY, `${position}.tar`);
const packed = (position: number) => join(DIRECTORY, `${position}.tar.gz`);

/** Makes the layers where they are missing; the reason where they cannot be made. */
export async function prepareLayers(): Promise<string | undefined> {
  if (existsSync(join(DIRECTORY, 'complete'))) return undefined;
  const debs = join(DIRECTORY, 'debs');
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  const got = spawnSync('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', ...PACKAGES], { cwd: debs, encoding: 'utf8' });
  if (got.status !== 0) return `no image to measure with: apt-get download: ${(got.error?.message ?? got.stderr).trim()}`;
  const files = readdirSync(debs);
  for (const [position, name] of PACKAGES.entries()) {
    const deb = join(debs, files.find((file) => file.startsWith(`${name}_`)) as string);
    const unpacked = spawnSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" > "$1"', deb, plain(position)], { encoding: 'utf8' });
    if (unpacked.status !== 0) throw new Error(`dpkg-deb: ${unpacked.stderr}`);
    await pipeline(createReadStream(plain(position)), createGzip(), createWriteStream(packed(position)));
  }
  rmSync(debs, { recursive: true });
  writeFileSync(join(DIRECTORY, 'complete'), '');
  return undefined;
}

interface Layer {
  position: number;
  /** The entry in front, plain and as a gzip member of its own. */
  front: Buffer;
  packedFront: Buffer;
  diffId: Digest;
  size: number;
  packed: Descriptor;
}

export class BenchImage {
  readonly #layers: readonly Layer[];
  readonly #config: Buffer;

  private constructor(layers: readonly Layer[]) {
    this.#layers = layers;
    this.#config = Buffer.from(JSON.stringify(configOf(layers.map(({ diffId }) => diffId))));
  }

  static async variant(number: number): Promise<BenchImage> {
    const layers: Layer[] = [];
    for (const position of PACKAGES.keys()) layers.push(await layerOf(position, number));
    return new BenchImage(layers);
  }

  /** Bytes of all layers, unpacked. */
  get size(): number {
    return this.#layers.reduce((sum, { size }) => sum + size, 0);
  }

  /** Puts it into a registry under a name (host/repository:tag). */
  async store(reference: string): Promise<void> {
    const parsed = parseReference(reference);
    using repository = await Repository.open({ reference: parsed, hosts: new ConfiguredHosts(), credentials: anonymous });
    for (const { position, packedFront, packed: descriptor } of this.#layers)
      await uploadBlob(repository.upstream, descriptor, () => concatenated(packedFront, packed(position)));
    const config = { mediaType: MEDIA_TYPE.dockerConfig, digest: digestOf(this.#config), size: this.#config.length };
    const bytes = this.#config;
    await uploadBlob(repository.upstream, config, async function* () {
      yield bytes;
    });
    const mediaType = MEDIA_TYPE.dockerManifest;
    const manifest = { schemaVersion: 2, mediaType, config, layers: this.#layers.map((layer) => layer.packed) };
    await putManifest(repository.upstream, parsed.tag ?? 'latest', { mediaType, bytes: Buffer.from(JSON.stringify(manifest)) });
  }

  /** Writes the archive that `docker save` of dockerd 20.10 would write. */
  async archive(name: string, path: string): Promise<void> {
    const layers = this.#layers;
    const config = this.#config;
    const hex = (digest: Digest) => digest.slice('sha256:'.length);
    const configName = `${hex(digestOf(config))}.json`;
    const layerName = ({ diffId }: Layer) => `${hex(digestOf(diffId))}/layer.tar`;
    // dockerd packs a directory in the order of names, so the configuration comes somewhere among the layers.
    const sorted = [...layers.map((layer) => ({ name: layerName(layer), layer })), { name: configName, layer: undefined }].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
    const members = async function* () {
      for (const { name, layer } of sorted) {
        if (layer === undefined) yield* member(name, config.length, [config]);
        else yield* member(name, layer.size, concatenated(layer.front, plain(layer.position)));
      }
      const text = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [name], Layers: layers.map(layerName) }]));
      yield* member('manifest.json', text.length, [text]);
      yield tarEnd();
    };
    await pipeline(members(), createWriteStream(path));
  }
}

async function layerOf(position: number, variant: number): Promise<Layer> {
  const front = tarHeader(tarEntry({ type: 'file', name: `variant-${variant}`, size: 0 }));
  const packedFront = gzipSync(front);
  const tar = await digestOfAll(concatenated(front, plain(position)));
  const gzip = await digestOfAll(concatenated(packedFront, packed(position)));
  return {
    ...{ position, front, packedFront, diffId: tar.digest, size: tar.size },
    packed: { mediaType: MEDIA_TYPE.dockerLayerGzip, ...gzip },
  };
}

async function* concatenated(front: Buffer, path: string): AsyncGenerator<Buffer> {
  yield front;
  yield* createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
}

async function digestOfAll(chunks: AsyncIterable<Buffer>): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

function configOf(diffIds: Digest[], created = CREATED): ImageConfig {
  const history = diffIds.map((_, index) => ({ created, created_by: PACKAGES[index] ?? 'layer' }));
  return {
    ...{ created, ...hostPlatform(), config: { Env: ['PATH=/bin'], Cmd: ['true'] } },
    ...{ rootfs: { type: 'layers', diff_ids: diffIds }, history },
  };
}

async function* member(name: string, size: number, data: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield tarHeader(tarEntry({ type: 'file', name, size }));
  yield* data;
  yield tarPadding(size);
}

/** An archive of so many images that share one small layer and differ in their configurations. */
export async function archiveOfMany(count: number, path: string): Promise<void> {
  const layer = Buffer.concat([tarHeader(tarEntry({ type: 'directory', name: 'etc' })), tarEnd()]);
  const members = async function* () {
    yield* member('layer.tar', layer.length, [layer]);
    const items: object[] = [];
    for (let number = 0; number < count; number++) {
      const created = new Date(Date.parse(CREATED) + number * 1000).toISOString();
      const bytes = Buffer.from(JSON.stringify(configOf([digestOf(layer)], created)));
      items.push({ Config: `${number}.json`, RepoTags: [`many-${number}:1`], Layers: ['layer.tar'] });
      yield* member(`${number}.json`, bytes.length, [bytes]);
    }
    const text = Buffer.from(JSON.stringify(items));
    yield* member('manifest.json', text.length, [text]);
    yield tarEnd();
  };
  await pipeline(members(), createWriteStream(path));
}
