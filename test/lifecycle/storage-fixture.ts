// A Storage over a root of its own, for tests; all of it goes when it is disposed of.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemoryDatabase } from '@berth/lifecycle/metadata/database';
import type { LeaseResources } from '@berth/lifecycle/metadata/scope';
import { Storage } from '@berth/lifecycle/storage';

export interface StorageFixture extends AsyncDisposable {
  root: string;
  storage: Storage;
  /** Topics of the events that were published. */
  topics: string[];
}

const NO_LEASES: LeaseResources = { addResource() {} };

export function openStorage(): StorageFixture {
  const root = mkdtempSync(join(tmpdir(), 'berth-storage-'));
  const database = openMemoryDatabase();
  const topics: string[] = [];
  const storage = new Storage({ root, database, leases: NO_LEASES, publish: (_namespace, topic) => topics.push(topic), ensureNamespace() {} });
  return {
    root,
    storage,
    topics,
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]();
      database.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
