// SIGKILL at random moments: whatever the storage was doing, the next start finds whole blobs, snapshots with their directories, and
// nothing that nobody owns.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseStore } from '@berth/lifecycle/leases/lease-store';
import { openDatabase } from '@berth/lifecycle/metadata/database';
import { Storage } from '@berth/lifecycle/storage';
import { digestOf } from '@berth/oci/digest';

const ROUNDS = 12;

test(`killed ${ROUNDS} times, repaired ${ROUNDS} times`, async () => {
  const root = mkdtempSync(join(tmpdir(), 'berth-crash-'));
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const subject = spawn(process.execPath, [join(import.meta.dirname, 'storage-crash-subject.ts'), root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(subject.stdout, 'data');
      await sleep(Math.random() * 250);
      subject.kill('SIGKILL');
      await once(subject, 'exit');
      await check(root);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

async function check(root: string): Promise<void> {
  const database = openDatabase(root);
  try {
    const leases = new LeaseStore(database);
    await using storage = new Storage({ root, database, leases, publish() {}, ensureNamespace() {} });
    await storage.recover();
    const content = storage.content.in({ namespace: 'test' });
    const blobs = content.list().map((info) => info.digest);
    for (const digest of blobs) assert.equal(digestOf(readFileSync(content.path(digest))), digest);
    const files = readdirSync(join(root, 'io.containerd.content.v1.content/blobs/sha256')).map((name) => `sha256:${name}`);
    assert.deepEqual(files.sort(), [...blobs].sort());
    const snapshotter = storage.snapshotter({ namespace: 'test' }, '');
    const directories = readdirSync(join(root, 'io.containerd.snapshotter.v1.overlayfs/snapshots'));
    assert.equal(directories.length, snapshotter.list().length);
    for (const { name, kind } of snapshotter.list()) {
      if (kind !== 'active') continue;
      await snapshotter.mounts(name);
      await snapshotter.usage(name);
    }
    for (const { id } of leases.list('test')) leases.delete('test', id);
    await storage.collect();
    assert.deepEqual(snapshotter.list(), []);
    assert.deepEqual(content.list(), []);
  } finally {
    database.close();
  }
}
