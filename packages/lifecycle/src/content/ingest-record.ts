// What an ingest's directory says about itself: ingest.json is written once when the ref is first opened, `data` is what came so far.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '@berth/oci/digest';
import type { IngestStatus } from './content.ts';

/** Refs that are used once: after a crash nobody would go on with them. */
const ONCE = 'berth-once/';

export function refForOnce(purpose: string): string {
  return `${ONCE}${purpose}-${randomUUID({ disableEntropyCache: true })}`;
}

/** Whether an ingest that no process has open can still be of use to somebody. */
export function isResumable(directory: string): boolean {
  const ingest = readIngest(directory);
  return ingest !== undefined && !ingest.ref.startsWith(ONCE);
}

export interface IngestRecord {
  namespace: string;
  ref: string;
  total: number;
  expected?: Digest;
  /** ISO 8601. */
  startedAt: string;
}

/** The status of an ingest, or undefined where there is none, or only the beginning of one. */
export function readIngest(directory: string): (IngestStatus & { namespace: string }) | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory, 'ingest.json'), 'utf8')) as IngestRecord;
    const data = statSync(join(directory, 'data'), { throwIfNoEntry: false });
    const startedAt = new Date(record.startedAt);
    const { namespace, ref, total, expected } = record;
    return { namespace, ref, offset: data?.size ?? 0, total, expected, startedAt, updatedAt: data?.mtime ?? startedAt };
  } catch {
    return undefined;
  }
}

export function writeIngest(directory: string, record: IngestRecord): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'ingest.json');
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}
