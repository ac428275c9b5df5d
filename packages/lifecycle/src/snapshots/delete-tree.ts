// Deletes the files of a snapshot that nobody uses any more, after the answer to whoever removed it. What a container leaves is mostly
// a handful of entries: those go at once, for a walk through the thread pool wakes the event loop for each of them and costs more than
// a tenth of what this service does for a `run --rm`. Larger trees and files go through the thread pool, and hold up nobody.
import { lstatSync, opendirSync, rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/** Entries that are deleted at once, at most. */
const FEW = 32;
/** Bytes of a file that is deleted at once, at most: giving back the blocks of a large one takes the kernel a while. */
const SMALL = 1 << 20;

export async function deleteTree(path: string): Promise<void> {
  await setImmediate();
  if (!deleteSmall(path)) await rm(path, { recursive: true, force: true, maxRetries: 2 });
}

/** Whether the whole tree is gone. */
function deleteSmall(path: string): boolean {
  const budget = { entries: FEW };
  try {
    return deleteWithin(path, budget);
  } catch {
    // Whatever it is, the thorough way meets it again and tells of it.
    return false;
  }
}

function deleteWithin(directory: string, budget: { entries: number }): boolean {
  const entries = firstEntries(directory, budget.entries + 1);
  budget.entries -= entries.length;
  if (budget.entries < 0) return false;
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (!deleteWithin(path, budget)) return false;
    } else {
      if (entry.isFile() && lstatSync(path).size > SMALL) return false;
      unlinkSync(path);
    }
  }
  rmdirSync(directory);
  return true;
}

function firstEntries(path: string, limit: number) {
  const directory = opendirSync(path, { bufferSize: FEW });
  try {
    const entries = [];
    while (entries.length < limit) {
      const entry = directory.readSync();
      if (!entry) break;
      entries.push(entry);
    }
    return entries;
  } finally {
    directory.closeSync();
  }
}
