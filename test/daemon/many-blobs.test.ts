// A load of a thousand images writes some thousand blobs over one connection to the lifecycle service: each must end as a stream that
// is over, for HTTP/2 servers take so many resets in a row for an attack (CVE-2023-44487) and close the connection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageServices } from '@berth/daemon/images/image-services';
import { Lifecycle } from '@berth/daemon/lifecycle/lifecycle';
import { Laboratory } from '../lifecycle/laboratory.ts';

const BLOBS = 1600;
const AT_ONCE = 8;

test('blobs by the thousand over one connection', async (t) => {
  const laboratory = await Laboratory.open(t);
  using lifecycle = new Lifecycle(laboratory.address, { namespace: 'many', snapshotter: 'overlayfs' });
  const services = new ImageServices(lifecycle);
  await services.withLease(async (lease) => {
    let next = 0;
    const write = async () => {
      while (next < BLOBS) await services.put(Buffer.from(`blob ${next++}`), { lease });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, write));
    let stored = 0;
    for await (const { info } of services.content.list({})) stored += info.length;
    assert.equal(stored, BLOBS);
  });
});
