// Runs in the virtual machine, where the kernel serves /export by NFS 4.2 on its loopback: volumes of the local driver on it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalVolumes } from '@berth/daemon/volumes/local-volumes';
import type { VolumeRecord } from '@berth/daemon/volumes/volumes';

const volumes = new LocalVolumes('/volumes');
const volume = (name: string, o: string): VolumeRecord => {
  const record = { name, createdAt: '', labels: null, options: { type: 'nfs', device: ':/', o }, anonymous: false };
  volumes.make(record);
  return record;
};

const shared = volume('shared', 'addr=localhost,vers=4.2,soft,timeo=20');
assert.equal(volumes.needsMount(shared), true);
const path = await volumes.mount(shared, 'one');
assert.match(readFileSync('/proc/mounts', 'utf8'), new RegExp(`^:/ ${path} nfs4 rw,.*vers=4.2,.*addr=127.0.0.1 `, 'm'));
assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'served\n');
writeFileSync(join(path, 'written'), 'by the volume');
assert.equal(readFileSync('/export/written', 'utf8'), 'by the volume');
assert.equal(await volumes.mount(shared, 'two'), path);
await volumes.unmount(shared, 'one');
assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'served\n');
await volumes.unmount(shared, 'two');
assert.doesNotMatch(readFileSync('/proc/mounts', 'utf8'), / nfs4 /);
console.log('a volume of an NFS server');

const read = volume('read', 'addr=127.0.0.1,vers=4.2,ro,soft,timeo=20');
const readOnly = await volumes.mount(read, 'one');
assert.throws(() => writeFileSync(join(readOnly, 'file'), ''), /EROFS/);
await volumes.unmount(read, 'one');

const refused = volume('refused', 'addr=127.0.0.1,vers=4.2,soft,timeo=5,retrans=1,port=1');
await assert.rejects(
  volumes.mount(refused, 'one'),
  /^EngineError: failed to mount local volume: mount :\/:\/volumes\/refused\/_data, data: addr=127.0.0.1,vers=4.2,.*port=1: connection refused/,
);
await assert.rejects(
  volumes.mount(volume('nowhere', 'addr=nowhere.invalid,vers=4.2'), 'one'),
  /error resolving passed in network volume address: lookup nowhere.invalid: /,
);
console.log('what cannot be mounted is said');
