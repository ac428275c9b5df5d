// A Storage over a root of its own, for tests; all of it goes when it is disposed of.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeaseStore } from '@berth/lifecycle/leases/lease-store';
import { openMemoryDatabase } from '@berth/lifecycle/metadata/database';
import { Storage } from '@berth/lifecycle/storage';

export interface StorageFixture extends AsyncDisposable {
  root: string;
  storage: Storage;
  leases: LeaseStore;
  /** Topics of the events that were published. */
  topics: string[];
}

export function openStorage(): StorageFixture {
  const root = mkdtempSync(join(tmpdir(), 'berth-storage-'));
  const database = openMemoryDatabase();
  const leases = new LeaseStore(database);
  const topics: string[] = [];
  const storage = new Storage({ root, database, leases, publish: (_namespace, topic) => topics.push(topic), ensureNamespace() {} });
  return {
    root,
    storage,
    leases,
    topics,
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]();
      database.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
