// Unpacking an image of ten layers and 300 MB: berth-lifecycle beside containerd, on the same disk, with everything fetched before. Each
// unpacks as its own clients have it done (berthd by the transfer service, ctr layer by layer), and both by the same ctr. The last
// row counts the time until the disk has everything.
import { closeSync, openSync } from 'node:fs';
import { isKind } from '@berth/errdefs/engine-error';
import { hostPlatform } from '@berth/oci/platform';
import { pack } from '@berth/rpc/any';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import { GrpcConnection } from '@berth/rpc/grpc/client';
import { syncFileSystem } from '@berth/sys/byte-path';
import { startRegistry } from '../registry/registry-process.ts';
import { storeArchives } from '../registry/test-image.ts';
import { LifecyclePeer, unless } from '../seams/peers.ts';
import { layersOf } from './big-image.ts';
import { compareInTurn } from './measure.ts';
import { comparisonRow, type Row } from './table.ts';

const LAYERS = 10;
const LAYER_SIZE = 30e6;
/** A pair takes a quarter of a minute. */
const MOST_PAIRS = 5;
const SNAPSHOTTER = 'overlayfs';

export async function rows(runs: number): Promise<Row[]> {
  const pairs = Math.min(runs, MOST_PAIRS);
  const missing = unless('containerd', 'ctr');
  if (missing !== false) return [{ name: 'unpack', unit: 'ratio', ours: '', theirs: 'missing', note: missing }];
  await using registry = await startRegistry();
  const reference = `${registry.host}/bench/big:1`;
  const archives = layersOf(LAYERS, LAYER_SIZE);
  const { manifest } = await storeArchives(reference, { family: 'oci', layers: [] }, archives);
  const megabytes = Math.round(archives.reduce((sum, archive) => sum + archive.length, 0) / 1e6);
  archives.length = 0;
  await using berth = await Side.start('berth-lifecycle', reference, manifest.digest);
  await using containerd = await Side.start('containerd', reference, manifest.digest);
  await berth.timed(() => berth.transfer());
  await containerd.timed(() => containerd.unpack());
  const image = `${LAYERS} layers, ${megabytes} MB`;
  const pair = (name: string, atMost: number | undefined, ours: () => Promise<void>, theirs: () => Promise<void>) =>
    compareInTurn(
      () => berth.timed(ours),
      () => containerd.timed(theirs),
      pairs,
    ).then((comparison) => comparisonRow(`unpack ${image}, ${pairs} pairs: ${name}`, atMost, comparison));
  const note = `containerd: ${(await containerd.peer.ctr(['version'])).stdout.match(/Server:\s+Version:\s+(\S+)/)?.[1]}`;
  return [
    {
      ...(await pair(
        'transfer service / ctr',
        0.7,
        () => berth.transfer(),
        () => containerd.unpack(),
      )),
      note,
    },
    await pair(
      'ctr / ctr',
      undefined,
      () => berth.unpack(),
      () => containerd.unpack(),
    ),
    await pair(
      'transfer service / ctr, until it is on the disk',
      undefined,
      () => berth.transfer().then(() => berth.sync()),
      () => containerd.unpack().then(() => containerd.sync()),
    ),
  ];
}

class Side implements AsyncDisposable {
  readonly peer: LifecyclePeer;
  readonly #connection: GrpcConnection;
  readonly #reference: string;
  readonly #manifest: string;

  private constructor(peer: LifecyclePeer, reference: string, manifest: string) {
    this.peer = peer;
    this.#reference = reference;
    this.#manifest = manifest;
    this.#connection = new GrpcConnection(peer.address, { namespace: 'default' });
  }

  /** With the image fetched. */
  static async start(name: 'berth-lifecycle' | 'containerd', reference: string, manifest: string): Promise<Side> {
    const side = new Side(await LifecyclePeer.start(name, [], { logLevel: 'info' }), reference, manifest);
    const fetched = await side.peer.ctr(['content', 'fetch', '--plain-http', reference], { timeout: 300_000 });
    if (fetched.code !== 0) throw new Error(`ctr content fetch: ${fetched.stderr}`);
    return side;
  }

  /** Milliseconds; what was unpacked is removed afterwards. */
  async timed(action: () => Promise<void>): Promise<number> {
    this.sync();
    const started = performance.now();
    await action();
    const elapsed = performance.now() - started;
    await this.#clear();
    return elapsed;
  }

  async unpack(): Promise<void> {
    const { code, stderr } = await this.peer.ctr(['snapshots', 'unpack', this.#manifest], { timeout: 300_000 });
    if (code !== 0) throw new Error(`ctr snapshots unpack: ${stderr}`);
  }

  async transfer(): Promise<void> {
    await this.#connection.client(Transfer).transfer({
      source: pack(OCIRegistry, { reference: this.#reference, resolver: { defaultScheme: 'http' } }),
      destination: pack(ImageStore, { name: this.#reference, unpacks: [{ platform: hostPlatform(), snapshotter: SNAPSHOTTER }] }),
    });
  }

  sync(): void {
    const fd = openSync(this.peer.directory, 'r');
    syncFileSystem(fd);
    closeSync(fd);
  }

  /** Removes every snapshot, children first. */
  async #clear(): Promise<void> {
    const snapshots = this.#connection.client(Snapshots);
    const parents = new Map<string, string>();
    for await (const { info } of snapshots.list({ snapshotter: SNAPSHOTTER }))
      for (const { name, parent } of info) parents.set(name, parent);
    if (parents.size < LAYERS) throw new Error(`${this.peer.name} unpacked ${parents.size} of ${LAYERS} layers`);
    while (parents.size > 0) {
      const below = new Set(parents.values());
      for (const name of [...parents.keys()].filter((each) => !below.has(each))) {
        await snapshots.remove({ snapshotter: SNAPSHOTTER, key: name });
        parents.delete(name);
      }
    }
    // Where files are deleted behind the caller's back; containerd has done it by now, and says that it has no such call.
    await snapshots.cleanup({ snapshotter: SNAPSHOTTER }).catch((error) => {
      if (!isKind(error, 'NotImplemented')) throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
    await this.peer[Symbol.asyncDispose]();
  }
}
