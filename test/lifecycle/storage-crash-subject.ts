// Run by storage-crash.test.ts, which kills it: writes, unpacks, removes and collects without end on the root given as argument.
import { randomBytes } from 'node:crypto';
import { LeaseStore } from '@berth/lifecycle/leases/lease-store';
import { openDatabase } from '@berth/lifecycle/metadata/database';
import { Storage } from '@berth/lifecycle/storage';
import { file, layer, stored } from './layer-fixture.ts';

const root = process.argv[2] as string;
const database = openDatabase(root);
const leases = new LeaseStore(database);
const storage = new Storage({ root, database, leases, publish() {}, ensureNamespace() {} });
await storage.recover();
console.log('ready');
for (;;) {
  const lease = leases.create('test', '', {}).id;
  const scope = { namespace: 'test', lease };
  const content = storage.content.in(scope);
  const snapshotter = storage.snapshotter(scope, '');
  const unique = randomBytes(4).toString('hex');
  const layers = await Promise.all(
    [0, 1, 2].map((index) =>
      stored(content, layer(...Array.from({ length: 20 }, (_, name) => file(`${index}/${name}`, `${unique}${'x'.repeat(1000)}`)))),
    ),
  );
  const named = layers.map((descriptor) => ({ descriptor, diffId: descriptor.diffId }));
  const top = await storage.unpacker.unpack({ namespace: 'test', content, snapshotter }, named);
  await snapshotter.prepare(`container-${unique}`, top);
  await snapshotter.remove(`container-${unique}`);
  leases.delete('test', lease);
  if (Math.random() < 0.3) await storage.collect();
}
