// Blobs that have gone bad on the disk after they were checked: what wants one says which it is, nothing comes of it, the rest is not
// touched, and once it is fetched again all is well.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostPlatform } from '@berth/oci/platform';
import { pack } from '@berth/rpc/any';
import { Content } from '@berth/rpc/gen/containerd/services/content/v1/content';
import { Images } from '@berth/rpc/gen/containerd/services/images/v1/images';
import { Snapshots } from '@berth/rpc/gen/containerd/services/snapshots/v1/snapshots';
import { Transfer } from '@berth/rpc/gen/containerd/services/transfer/v1/transfer';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import { startRegistry } from '../registry/registry-process.ts';
import { storeImage } from '../registry/test-image.ts';
import { Laboratory } from './laboratory.ts';

const SNAPSHOTTER = 'overlayfs';
const DAMAGES = {
  'with other bytes': (path: string) => {
    const bytes = readFileSync(path);
    for (let at = bytes.length >> 1; at < (bytes.length >> 1) + 8; at++) bytes[at] = (bytes[at] as number) ^ 0xff;
    writeFileSync(path, bytes);
  },
  'cut off': (path: string) => truncateSync(path, 100),
  gone: (path: string) => rmSync(path),
};

for (const [damage, inflict] of Object.entries(DAMAGES)) {
  test(`a layer that is ${damage}`, async (t) => {
    await using registry = await startRegistry();
    const lab = await Laboratory.open(t);
    const names = ['bad', 'good'].map((name) => `${registry.host}/${name}/image:1`) as [string, string];
    const [bad, good] = names;
    const stored = await Promise.all(
      names.map((name) => storeImage(name, { family: 'oci', layers: [[{ name: 'file', body: name.repeat(2000) }]] })),
    );
    const pull = (name: string, unpack: boolean) =>
      lab.connection.client(Transfer).transfer({
        source: pack(OCIRegistry, { reference: name, resolver: { defaultScheme: 'http' } }),
        destination: pack(ImageStore, { name, unpacks: unpack ? [{ platform: hostPlatform(), snapshotter: SNAPSHOTTER }] : [] }),
      });
    await Promise.all(names.map((name) => pull(name, false)));
    const digest = stored[0]?.layers[0]?.digest ?? '';
    const path = join(lab.directory, 'root/io.containerd.content.v1.content/blobs', digest.replace(':', '/'));
    chmodSync(path, 0o644);
    inflict(path);

    await assert.rejects(pull(bad, true), (error: Error) => error.message.includes(digest) || assert.fail(error.message));
    const snapshots = async () => {
      let count = 0;
      for await (const { info } of lab.connection.client(Snapshots).list({ snapshotter: SNAPSHOTTER })) count += info.length;
      return count;
    };
    assert.equal(await snapshots(), 0);
    await pull(good, true);
    assert.equal(await snapshots(), 1);
    assert.equal((await lab.connection.client(Images).list({})).images.length, 2);

    await lab.connection.client(Content).delete({ digest });
    await pull(bad, true);
    assert.equal(await snapshots(), 2);
    for (const name of names) await lab.connection.client(Images).delete({ name, sync: true });
  });
}
